"""The input channels: their pictures and classes, checked against each other before anything is decoded."""

import json
import random
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from container.channel import SHOWN, Channel, names, read_channel
from container.contract.channels import CHANNEL_NAMES, SPLITS
from container.contract.errors import DataError, HyperparameterError
from container.folder import leftover, printable, same_name

HELD_OUT_FRACTION = 0.1

# Channels that SageMaker and its SDKs add to the user's.
_OTHER_CHANNELS = ("weights", "code", "sm_drivers")
_PIPE = re.compile(r"(.+)_\d+")


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


def check_batch_size(batch_size: int, splits: Splits) -> None:
    """Check that there is a whole batch to train on.

    Raises:
        HyperparameterError: The train split has fewer pictures.
    """
    if batch_size > len(splits.train):
        raise HyperparameterError(
            f"hyperparameter batch-size is {batch_size}, but the train split has {len(splits.train)} pictures; choose "
            f"at most {len(splits.train)}"
        )


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

    Classes are those of the train channel, sorted; the other channels' classes are matched by name.

    Raises:
        DataError: There is no train channel, a channel has neither class folders nor a manifest or a wrong one, train
            has fewer than two classes or an empty one, another channel has a class that train lacks, or a channel is
            in Pipe mode.
    """
    _refuse_pipes(channels)
    directory = find_channel(channels, "train")
    if directory is None:
        found = sorted(printable(path.name) for path in channels.iterdir()) if channels.is_dir() else []
        raise DataError(
            f"there is no train channel: {channels / 'train'} is not a directory; "
            f"{'channels found: ' + ', '.join(found) if found else 'no channel was found'}. Name the channel of "
            "the training pictures 'train'"
        )
    train = read_channel("train", directory)
    _check_train(train)
    classes = tuple(train.classes)
    read = [train]
    for name in SPLITS[1:]:
        if directory := find_channel(channels, name):
            read.append(read_channel(name, directory))
    notes = _channel_notes(channels)
    listed: dict[str, tuple[Sample, ...]] = dict.fromkeys(SPLITS, ())
    for channel in read:
        listed[channel.name] = _samples(channel, classes, notes)
        notes += channel.notes
    unreadable = {path: reason for channel in read for path, reason in channel.unreadable.items()}
    return Splits(classes=classes, notes=tuple(notes), unreadable=unreadable, **listed)


def _check_train(train: Channel) -> None:
    count = len(train.classes)
    if count < 2:
        which = "".join(f" ({printable(name)})" for name in train.classes)
        if train.manifest:
            raise DataError(
                f"the train channel's manifest {printable(train.manifest)} has one class{which}; a classifier needs at "
                "least two"
            )
        raise DataError(
            f"{train} has {count} class folder{'s' * (count != 1)}{which}; a classifier needs at least two, laid out "
            f"as <class>/<picture>, or a manifest that names pictures and labels{train.problems()}"
        )
    if empty := [name for name, files in train.classes.items() if not files]:
        if train.manifest:
            raise DataError(f"no picture of {names(empty)} in {train} can be opened{train.problems()}")
        raise DataError(
            f"class folder{'s' * (len(empty) > 1)} without a picture in {train}: "
            f"{names(empty)}; add pictures (.jpg, .png, .webp, …) or remove the folder{train.problems()}"
        )


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
            f"channels in Pipe mode are not supported: {names(sorted(set(piped)))}; set the input mode to File or "
            "FastFile, with S3 data type S3Prefix and an augmented manifest as a file of the channel"
        )


def _channel_notes(channels: Path) -> list[str]:
    """Note the channels that are accepted under another name, and those that are ignored."""
    present = sorted(path.name for path in channels.iterdir() if path.is_dir())
    known = {each: name for name, names in CHANNEL_NAMES.items() for each in names}
    notes = [f"the channel {name} is taken as {known[name]}" for name in present if known.get(name, name) != name]
    unknown = [name for name in present if name not in known and name not in _OTHER_CHANNELS and not leftover(name)]
    if unknown:
        known_names = ", ".join((*SPLITS, "weights"))
        notes.append(f"channels that are ignored: {names(unknown)}; known are {known_names}")
    return notes


def _samples(channel: Channel, classes: Sequence[str], notes: list[str]) -> tuple[Sample, ...]:
    """Number a channel's pictures by class; a note says which classes it lacks."""
    index = {same_name(each): position for position, each in enumerate(classes)}
    present = {same_name(each) for each in channel.classes}
    if unknown := [each for each in channel.classes if same_name(each) not in index]:
        what = "class folders" if channel.manifest is None else f"classes in {printable(channel.manifest.name)}"
        raise DataError(
            f"{channel} has {what} that train lacks: {_unlike(unknown, classes)}; add them to train, or remove them "
            "here"
        )
    if not channel.classes:
        raise DataError(
            f"{channel} has no class folders; lay it out as <class>/<picture>, with train's class names, or add a "
            f"manifest{channel.problems()}"
        )
    if missing := [each for each in classes if same_name(each) not in present]:
        notes.append(f"the {channel.name} channel has no pictures of {len(missing)} classes: {names(missing)}")
    return tuple(Sample(file, index[same_name(each)]) for each, files in channel.classes.items() for file in files)


def _unlike(unknown: Sequence[str], classes: Sequence[str]) -> str:
    """List the names that train lacks, each beside the class of train that it resembles, if any, escaped so that the
    difference shows."""
    alike = {_look(name): name for name in classes}
    shown = [
        f"{name!a} (train has {alike[_look(name)]!a})" if _look(name) in alike else printable(name)
        for name in unknown[:SHOWN]
    ]
    more = f" and {len(unknown) - SHOWN:,} more" if len(unknown) > SHOWN else ""
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
