"""The input channels: ImageFolder trees, listed and checked before anything is decoded."""

import json
import random
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from container.contract.channels import CHANNEL_NAMES, SPLITS
from container.contract.errors import DataError
from container.folder import (
    ImageFolder,
    Listing,
    describe_leftovers,
    leftover,
    list_class,
    list_image_folder,
    printable,
    same_name,
)
from container.picture import ENDINGS

HELD_OUT_FRACTION = 0.1

# Channels that SageMaker and its SDKs add to the user's.
_OTHER_CHANNELS = ("weights", "code", "sm_drivers")
_PIPE = re.compile(r"(.+)_\d+")
_SHOWN = 10


@dataclass(frozen=True)
class Sample:
    """One picture and the index of its class."""

    path: Path
    target: int


@dataclass(frozen=True, kw_only=True)
class Splits:
    """The pictures to train, evaluate and test on; class names in the order of the model's outputs."""

    classes: tuple[str, ...]
    train: tuple[Sample, ...]
    validation: tuple[Sample, ...]
    test: tuple[Sample, ...]
    notes: tuple[str, ...] = ()
    """What was decided on the user's behalf, for the log."""
    unreadable: Mapping[Path, str] = field(default_factory=dict)
    """Paths that could not even be listed, such as dangling links, and why."""

    def class_counts(self) -> list[int]:
        """Number of training pictures of each class."""
        counts = Counter(sample.target for sample in self.train)
        return [counts[index] for index in range(len(self.classes))]


def find_channel(channels: Path, name: str) -> Path | None:
    """Find the directory of a channel; None if the job has no such channel.

    Raises:
        DataError: Two channels have names accepted for it.
    """
    found = [channels / each for each in CHANNEL_NAMES.get(name, (name,)) if (channels / each).is_dir()]
    if len(found) > 1:
        raise DataError(
            f"the job has the channels {' and '.join(path.name for path in found)}, which both stand for {name}; "
            "leave one of them out"
        )
    return found[0] if found else None


def list_splits(channels: Path) -> Splits:
    """List the pictures of the train, validation and test channels, by file name only.

    Classes are the folders of the train channel, sorted; the other channels' folders are matched by name.

    Raises:
        DataError: There is no train channel, it is not an ImageFolder, it has fewer than two classes, a class is
            empty, another channel has a class that train lacks, or a channel is in Pipe mode.
    """
    _refuse_pipes(channels)
    train = find_channel(channels, "train")
    if train is None:
        found = sorted(printable(path.name) for path in channels.iterdir()) if channels.is_dir() else []
        raise DataError(
            f"there is no train channel: {channels / 'train'} is not a directory; "
            f"{'channels found: ' + ', '.join(found) if found else 'no channel was found'}. Name the channel of "
            "the training pictures 'train'"
        )
    tree = list_image_folder(train)
    classes = tuple(tree.classes)
    if len(classes) < 2:
        broken = "".join(f"; {reason}" for reason in list(tree.unreadable.values())[:_SHOWN])
        raise DataError(
            f"the train channel ({train}) has {len(classes)} class folder{'s' * (len(classes) != 1)}"
            f"{' (' + printable(classes[0]) + ')' if classes else ''}; a classifier needs at least two, laid out as "
            f"<class>/<picture>{broken}"
        )
    notes = _channel_notes(channels)
    unreadable: dict[Path, str] = {}
    listed: dict[str, tuple[Sample, ...]] = {"train": _list_channel("train", train, tree, classes, notes, unreadable)}
    counts = Counter(sample.target for sample in listed["train"])
    if empty := [name for index, name in enumerate(classes) if not counts[index]]:
        broken = "".join(f"; {reason}" for reason in list(unreadable.values())[:_SHOWN])
        raise DataError(
            f"class folder{'s' * (len(empty) > 1)} without a picture in the train channel ({train}): "
            f"{_names(empty)}; add pictures (.jpg, .png, .webp, …) or remove the folder{broken}"
        )
    for name in SPLITS[1:]:
        directory = find_channel(channels, name)
        listed[name] = ()
        if directory:
            tree_here = list_image_folder(directory)
            listed[name] = _list_channel(name, directory, tree_here, classes, notes, unreadable)
    return Splits(classes=classes, notes=tuple(notes), unreadable=unreadable, **listed)


def _refuse_pipes(channels: Path) -> None:
    try:
        configured = json.loads((channels.parent / "config" / "inputdataconfig.json").read_text(encoding="utf-8-sig"))
        piped = [name for name, channel in configured.items() if channel.get("TrainingInputMode") == "Pipe"]
    except (OSError, ValueError, AttributeError):  # unusable, and not our file
        piped = []
    if channels.is_dir():
        piped += [found[1] for path in channels.iterdir() if (found := _PIPE.fullmatch(path.name)) and path.is_fifo()]
    if piped:
        raise DataError(
            f"channels in Pipe mode are not supported: {_names(sorted(set(piped)))}; set the input mode to File or "
            "FastFile"
        )


def _channel_notes(channels: Path) -> list[str]:
    """Note the channels that are accepted under another name, and those that are ignored."""
    present = sorted(path.name for path in channels.iterdir() if path.is_dir())
    known = {each: name for name, names in CHANNEL_NAMES.items() for each in names}
    notes = [f"the channel {name} is taken as {known[name]}" for name in present if known.get(name, name) != name]
    unknown = [name for name in present if name not in known and name not in _OTHER_CHANNELS and not leftover(name)]
    if unknown:
        known_names = ", ".join((*SPLITS, "weights"))
        notes.append(f"channels that are ignored: {_names(unknown)}; known are {known_names}")
    return notes


def _list_channel(
    name: str,
    directory: Path,
    tree: ImageFolder,
    classes: Sequence[str],
    notes: list[str],
    unreadable: dict[Path, str],
) -> tuple[Sample, ...]:
    index = {same_name(each): position for position, each in enumerate(classes)}
    present = {same_name(folder) for folder in tree.classes}
    if unknown := [folder for folder in tree.classes if same_name(folder) not in index]:
        raise DataError(
            f"the {name} channel ({directory}) has class folders that train lacks: {_unlike(unknown, classes)}; "
            "add them to train, or remove them here"
        )
    if not tree.classes:
        raise DataError(
            f"the {name} channel ({directory}) has no class folders; lay it out as <class>/<picture>, with "
            "train's class names"
        )
    if missing := [folder for folder in classes if same_name(folder) not in present]:
        notes.append(f"the {name} channel has no pictures of {len(missing)} classes: {_names(missing)}")
    listings: list[Listing] = [tree]
    samples: list[Sample] = []
    endings: Counter[str] = Counter()
    for folder, path in tree.classes.items():
        listing = list_class(directory, path)
        listings.append(listing)
        for file in listing.files:
            ending = file.suffix.lower()
            if ending in ENDINGS:
                samples.append(Sample(file, index[same_name(folder)]))
            else:
                endings[ending] += 1
    unreadable |= {path: reason for listing in listings for path, reason in listing.unreadable.items()}
    notes += _left_out(name, tree, listings, endings)
    return tuple(samples)


def _left_out(name: str, tree: ImageFolder, listings: Sequence[Listing], endings: Counter[str]) -> list[str]:
    notes = []
    if endings:
        kinds = ", ".join(
            f"{count:,} {printable(ending) if ending else 'without one'}"
            for ending, count in endings.most_common(_SHOWN)
        )
        notes.append(
            f"{_files(endings.total())} in the {name} channel left out because their names lack a picture's extension: "
            f"{kinds}; convert pictures among them to JPEG or PNG, or add the extension"
        )
    if tree.files:
        notes.append(
            f"{_files(len(tree.files))} in the {name} channel left out because they lie beside the class folders: "
            f"{_names([path.name for path in tree.files])}; move pictures among them into a class folder"
        )
    leftovers: Counter[str] = sum((listing.leftovers for listing in listings), Counter())
    if leftovers:
        notes.append(
            f"left out of the {name} channel, as systems and tools leave it behind: {describe_leftovers(leftovers)}"
        )
    loops = [path for listing in listings for path in listing.loops]
    if loops:
        notes.append(
            f"links in the {name} channel to a folder that holds them, not followed: {len(loops):,}, the first "
            f"{printable(loops[0])}"
        )
    return notes


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count:,} files"


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return ", ".join(map(printable, names[:_SHOWN])) + more


def _unlike(unknown: Sequence[str], classes: Sequence[str]) -> str:
    """List the names that train lacks, each beside the class of train that it resembles, if any, escaped so that the
    difference shows."""
    alike = {_look(name): name for name in classes}
    shown = [
        f"{name!a} (train has {alike[_look(name)]!a})" if _look(name) in alike else printable(name)
        for name in unknown[:_SHOWN]
    ]
    more = f" and {len(unknown) - _SHOWN:,} more" if len(unknown) > _SHOWN else ""
    return ", ".join(shown) + more


def _look(name: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def complete_splits(splits: Splits, seed: int) -> Splits:
    """Give a missing validation or test split a tenth of train's pictures, class by class.

    Raises:
        DataError: Train is too small to hold any out.
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
    validation, test = held_out["validation"], held_out["test"]
    return replace(splits, train=train, validation=validation, test=test, notes=tuple(notes))


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
