"""The input channels: ImageFolder trees, checked before anything is decoded."""

import os
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from container.errors import DataError

SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".jpe", ".mpo", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".avif")
)
SPLITS = ("train", "validation", "test")
HELD_OUT_FRACTION = 0.1


@dataclass(frozen=True)
class Sample:
    """One picture and the index of its class."""

    path: Path
    target: int


@dataclass(frozen=True, kw_only=True)
class Splits:
    """The pictures to train, evaluate and test on; class names are in the order of the network's outputs."""

    classes: tuple[str, ...]
    train: tuple[Sample, ...]
    validation: tuple[Sample, ...]
    test: tuple[Sample, ...]
    notes: tuple[str, ...] = ()
    """What was decided on the user's behalf, for the log."""

    def class_counts(self) -> list[int]:
        """Training pictures of each class."""
        counts = Counter(sample.target for sample in self.train)
        return [counts[index] for index in range(len(self.classes))]


def find_channel(channels: Path, name: str) -> Path | None:
    """The directory of a channel, or None where the job has no such channel."""
    directory = channels / name
    return directory if directory.is_dir() else None


def list_splits(channels: Path) -> Splits:
    """List the pictures of the train, validation and test channels, by file name only.

    Classes are the folders of the train channel, sorted; the other channels' folders are matched by name.

    Raises:
        DataError: There is no train channel, it is no ImageFolder, it has fewer than two classes, a class is
            empty, or another channel has a class that train lacks.
    """
    train = find_channel(channels, "train")
    if train is None:
        found = sorted(path.name for path in channels.iterdir()) if channels.is_dir() else []
        raise DataError(
            f"there is no train channel: {channels / 'train'} is not a directory; "
            f"{'channels found: ' + ', '.join(found) if found else 'no channel was found'}. Name the channel of "
            "the training pictures 'train'"
        )
    classes = _class_folders(train)
    if len(classes) < 2:
        raise DataError(
            f"the train channel ({train}) has {len(classes)} class folder{'s' * (len(classes) != 1)}"
            f"{' (' + classes[0] + ')' if classes else ''}; a classifier needs at least two, laid out as "
            "<class>/<picture>"
        )
    notes: list[str] = []
    listed = {name: _list_channel(channels, name, classes, notes) for name in SPLITS}
    counts = Counter(sample.target for sample in listed["train"])
    if empty := [name for index, name in enumerate(classes) if not counts[index]]:
        raise DataError(
            f"class folder{'s' * (len(empty) > 1)} without a picture in the train channel ({train}): "
            f"{', '.join(empty[:10])}; add pictures ({', '.join(sorted(SUFFIXES)[:4])}, …) or remove the folder"
        )
    return Splits(
        classes=classes,
        train=listed["train"],
        validation=listed["validation"],
        test=listed["test"],
        notes=tuple(notes),
    )


def _class_folders(directory: Path) -> tuple[str, ...]:
    return tuple(sorted(entry.name for entry in os.scandir(directory) if entry.is_dir() and entry.name[0] != "."))


def _list_channel(channels: Path, name: str, classes: Sequence[str], notes: list[str]) -> tuple[Sample, ...]:
    directory = find_channel(channels, name)
    if directory is None:
        return ()
    folders = _class_folders(directory)
    if unknown := [folder for folder in folders if folder not in classes]:
        raise DataError(
            f"the {name} channel ({directory}) has class folders that train lacks: {', '.join(unknown[:10])}; "
            "add them to train, or remove them here"
        )
    if not folders:
        raise DataError(
            f"the {name} channel ({directory}) has no class folders; lay it out as <class>/<picture>, with "
            "train's class names"
        )
    if missing := [folder for folder in classes if folder not in folders]:
        notes.append(f"the {name} channel has no pictures of {len(missing)} classes: {', '.join(missing[:10])}")
    index = {folder: position for position, folder in enumerate(classes)}
    samples: list[Sample] = []
    ignored = 0
    for folder in folders:
        for path in sorted((directory / folder).rglob("*")):
            hidden = any(part.startswith(".") for part in path.relative_to(directory / folder).parts)
            if hidden or path.is_dir():
                continue
            if path.suffix.lower() in SUFFIXES:
                samples.append(Sample(path, index[folder]))
            else:
                ignored += 1
    if ignored:
        notes.append(f"{ignored} files in the {name} channel have no picture's ending and were left out")
    return tuple(samples)


def complete_splits(splits: Splits, seed: int) -> Splits:
    """Give a missing validation or test split a tenth of train's pictures, class by class.

    Raises:
        DataError: Train is too small to give any away.
    """
    notes = list(splits.notes)
    held_out: dict[str, tuple[Sample, ...]] = {}
    train = splits.train
    for name in ("validation", "test"):
        held_out[name] = getattr(splits, name)
        if held_out[name]:
            continue
        train, held_out[name] = _hold_out(train, seed, name)
        if not held_out[name]:
            raise DataError(
                f"there is no {name} channel and train has too few pictures of each class to split one off "
                f"(two are needed); add pictures or a {name} channel"
            )
        notes.append(
            f"there is no {name} channel: {len(held_out[name])} of train's pictures are held out for it "
            f"(a tenth of each class, by seed {seed})"
        )
    return Splits(classes=splits.classes, train=train, notes=tuple(notes), **held_out)


def _hold_out(samples: Sequence[Sample], seed: int, name: str) -> tuple[tuple[Sample, ...], tuple[Sample, ...]]:
    by_class: dict[int, list[Sample]] = {}
    for sample in samples:
        by_class.setdefault(sample.target, []).append(sample)
    chosen: set[Sample] = set()
    for target, members in by_class.items():
        count = min(max(1, round(len(members) * HELD_OUT_FRACTION)), len(members) - 1)
        chosen.update(random.Random(f"{seed}/{name}/{target}").sample(members, count))  # noqa: S311 - no secret
    kept = tuple(sample for sample in samples if sample not in chosen)
    return kept, tuple(sample for sample in samples if sample in chosen)
