"""Judges a scanned data set: imbalance, missing classes, duplicates and leakage. Pure functions."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from container.folder import describe_leftovers, printable
from slipway.explore.scan import WHOLE, Dataset, Picture

Counts = Mapping[str, Mapping[str, int]]
"""Readable pictures by split and class; every class has an entry in every split."""

IMBALANCED_FROM = 1.5
"""Ratio of the largest class to the smallest from which on a split is imbalanced."""

_LEARNT = ("train", WHOLE)


@dataclass(frozen=True, kw_only=True)
class Imbalance:
    """The largest and the smallest class of a split, of those that have pictures."""

    largest: str
    most: int
    smallest: str
    fewest: int

    @property
    def ratio(self) -> float:
        return self.most / self.fewest


@dataclass(frozen=True, kw_only=True)
class DuplicateGroup:
    """Files with equal decoded pixels."""

    pictures: tuple[Picture, ...]

    @property
    def splits(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(picture.split for picture in self.pictures))

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(picture.label for picture in self.pictures))

    @property
    def leaks(self) -> bool:
        """Whether the same picture is in two splits: training pictures are then evaluated or tested."""
        return len(self.splits) > 1

    @property
    def contradicts(self) -> bool:
        """Whether the same picture is in two classes."""
        return len(self.labels) > 1

    @property
    def same_bytes(self) -> bool:
        """Whether the files are equal byte for byte, and not only their pixels."""
        return len({picture.file_digest for picture in self.pictures}) == 1


@dataclass(frozen=True, kw_only=True)
class Remark:
    """One line of the summary."""

    level: Literal["problem", "notice", "good"]
    text: str


@dataclass(frozen=True, kw_only=True)
class Findings:
    """All findings of `examine`."""

    labels: tuple[str, ...]
    """Classes of all splits, the most frequent in the first split first."""
    counts: Counts
    imbalance: dict[str, Imbalance]
    missing: dict[str, tuple[str, ...]]
    """Classes of any split without a readable picture, by split."""
    duplicates: tuple[DuplicateGroup, ...]
    """Leaking groups first, then contradicting ones, then the rest."""
    remarks: tuple[Remark, ...]


def examine(dataset: Dataset) -> Findings:
    """Judge a scanned data set."""
    counts = count_pictures(dataset)
    first = counts[dataset.splits[0]]
    labels = tuple(sorted(first, key=lambda label: (-first[label], label)))
    imbalance = {split: found for split in dataset.splits if (found := find_imbalance(counts[split]))}
    missing = {split: tuple(sorted(label for label, count in counts[split].items() if not count)) for split in counts}
    duplicates = find_duplicates(dataset.pictures)
    return Findings(
        labels=labels,
        counts=counts,
        imbalance=imbalance,
        missing=missing,
        duplicates=duplicates,
        remarks=tuple(_remarks(dataset, labels, imbalance, missing, duplicates)),
    )


def count_pictures(dataset: Dataset) -> Counts:
    """Count readable pictures by split and class."""
    labels = sorted({label for of_split in dataset.classes.values() for label in of_split})
    found = Counter((picture.split, picture.label) for picture in dataset.pictures)
    return {split: {label: found[split, label] for label in labels} for split in dataset.splits}


def find_imbalance(counts: Mapping[str, int]) -> Imbalance | None:
    """Compare the largest and the smallest class that have pictures; None if fewer than two have any."""
    present = [(count, label) for label, count in counts.items() if count]
    if len(present) < 2:
        return None
    (fewest, smallest), (most, largest) = min(present), max(present)
    return Imbalance(largest=largest, most=most, smallest=smallest, fewest=fewest)


def find_duplicates(pictures: tuple[Picture, ...]) -> tuple[DuplicateGroup, ...]:
    """Group pictures with equal pixels."""
    by_pixels: defaultdict[str, list[Picture]] = defaultdict(list)
    for picture in pictures:
        by_pixels[picture.pixel_digest].append(picture)
    groups = [DuplicateGroup(pictures=tuple(same)) for same in by_pixels.values() if len(same) > 1]
    return tuple(sorted(groups, key=lambda group: (not group.leaks, not group.contradicts)))


def _remarks(
    dataset: Dataset,
    labels: tuple[str, ...],
    imbalance: Mapping[str, Imbalance],
    missing: Mapping[str, tuple[str, ...]],
    duplicates: tuple[DuplicateGroup, ...],
) -> list[Remark]:
    remarks: list[Remark] = []

    def say(level: Literal["problem", "notice", "good"], text: str) -> None:
        remarks.append(Remark(level=level, text=text))

    if len(labels) == 1:
        say("problem", f"There is only one class, {labels[0]}; a classifier needs two or more.")
    for split, absent in missing.items():
        if absent:
            verb = "has" if len(absent) == 1 else "have"
            advice = " Training refuses that: add pictures, or remove the class." if split in _LEARNT else ""
            say("problem", f"{_listed(absent)} {verb} no readable picture in {split}.{advice}")
    for text in dataset.absent:
        say("problem", f"{text}. Training refuses that: add the files, or remove their lines.")
    leaks = [group for group in duplicates if group.leaks]
    contradictions = [group for group in duplicates if group.contradicts]
    if leaks:
        names = " and ".join(sorted({" / ".join(group.splits) for group in leaks}))
        say(
            "problem",
            f"{_pictures(len(leaks))} in more than one split ({names}): results measured on them are too good. "
            "Remove the copies from all but one split.",
        )
    if contradictions:
        say("problem", f"{_pictures(len(contradictions))} in more than one class; one of the labels is wrong.")
    if dataset.unreadable:
        count = len(dataset.unreadable)
        what = "file cannot" if count == 1 else "files cannot"
        say("problem", f"{count:,} {what} be read; training skips them, or stops with bad-images=fail.")
    if dataset.ignored:
        count = len(dataset.ignored)
        what = "1 file has" if count == 1 else f"{count:,} files have"
        endings = Counter(entry.path.suffix.lower() for entry in dataset.ignored)
        kinds = _listed(
            tuple(f"{number:,} {printable(name) or 'without one'}" for name, number in endings.most_common())
        )
        say(
            "notice",
            f"{what} no picture's file extension and will be skipped ({kinds}); convert pictures among them to "
            "JPEG or PNG, or give them the right extension.",
        )
    if dataset.beside:
        count = len(dataset.beside)
        what = "1 file lies" if count == 1 else f"{count:,} files lie"
        say(
            "notice",
            f"{what} beside the class folders and will be skipped, the first {dataset.relative(dataset.beside[0])}; "
            "move pictures among them into a class folder.",
        )
    for text in dataset.notes:
        say("notice", text)
    if dataset.other_folders:
        say("notice", f"Folders beside the splits are ignored: {_listed(dataset.other_folders)}.")
    if dataset.loops:
        count = len(dataset.loops)
        what = "1 link leads" if count == 1 else f"{count:,} links lead"
        say(
            "notice",
            f"{what} to a folder that contains it and will not be followed, the first "
            f"{dataset.relative(dataset.loops[0])}.",
        )
    if dataset.leftovers:
        say(
            "notice",
            "Skipped, since operating systems and tools leave it behind: "
            f"{describe_leftovers(Counter(dataset.leftovers))}.",
        )
    within = [group for group in duplicates if not group.leaks]
    if within:
        say("notice", f"{_pictures(len(within))} more than once within one split.")
    for split, found in imbalance.items():
        if found.ratio >= IMBALANCED_FROM:
            advice = " class-weights=true, the default, compensates for that." if split in _LEARNT else ""
            say(
                "notice",
                f"{split} is imbalanced {found.ratio:.1f} : 1: {found.most:,} pictures of {found.largest}, "
                f"{found.fewest:,} of {found.smallest}.{advice}",
            )
    if not any(remark.level == "problem" for remark in remarks):
        say("good", "No unreadable files, no leakage between splits, no missing classes.")
    return remarks


def _pictures(count: int) -> str:
    return "1 picture is" if count == 1 else f"{count:,} pictures are"


def _listed(names: tuple[str, ...], most: int = 6) -> str:
    head = ", ".join(names[:most])
    return f"{head} and {len(names) - most} more" if len(names) > most else head
