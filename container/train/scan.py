"""Reading every picture once before training: what is unreadable is known, by path, before the first step."""

import logging
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from container.cpus import available_cpus
from container.errors import DataError, PictureError
from container.picture import read_picture
from container.train.channels import SPLITS, Sample, Splits
from container.train.stopping import Stop

logger = logging.getLogger(__name__)


def drop_unreadable(splits: Splits, *, bad_images: str, shrink_to: int, stop: Stop) -> tuple[Splits, dict[Path, str]]:
    """Decode every picture of every split and leave out those that cannot be.

    Args:
        splits: What to read.
        bad_images: `skip` leaves unreadable pictures out; `fail` ends the job, naming the first.
        shrink_to: Shorter side, in pixels, at which pictures will be used.
        stop: Looked at between pictures.

    Returns:
        The splits without the unreadable pictures, and why each of those is unreadable.

    Raises:
        DataError: A picture is unreadable and `bad_images` is `fail`, or a class or split has no readable picture
            left.
        Interrupted: The job was asked to end.
    """
    readable: dict[str, tuple[Sample, ...]] = {}
    bad: dict[Path, str] = {}
    total = sum(len(getattr(splits, name)) for name in SPLITS)
    logger.info("reading all %d pictures once, to find unreadable ones", total)
    with ThreadPoolExecutor(available_cpus()) as pool:  # the decoders let go of the interpreter lock
        try:
            for name in SPLITS:
                samples: Sequence[Sample] = getattr(splits, name)
                problems = pool.map(lambda sample: _problem(sample.path, shrink_to), samples)
                readable[name] = tuple(_keep(samples, problems, bad, stop))
                _check(name, readable[name], samples, bad, bad_images)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
    left = replace(splits, train=readable["train"], validation=readable["validation"], test=readable["test"])
    for index, count in enumerate(left.class_counts()):
        if not count:
            raise DataError(
                f"class {splits.classes[index]} has no readable picture left in train; "
                f"{len(bad)} pictures are unreadable, the first: {next(iter(bad.values()))}"
            )
    return left, bad


def _check(
    name: str, readable: Sequence[Sample], samples: Sequence[Sample], bad: dict[Path, str], bad_images: str
) -> None:
    if bad and bad_images == "fail":
        path, reason = next(iter(bad.items()))
        raise DataError(
            f"{len(bad)} picture{'s' * (len(bad) > 1)} of the {name} channel cannot be read, and bad-images is fail; "
            f"the first: {reason}. Repair or remove {path.name}, or set bad-images to skip"
        )
    if samples and not readable:
        raise DataError(
            f"no picture of the {name} channel can be read; {len(samples)} are unreadable, the first: "
            f"{bad[samples[0].path]}"
        )


def _keep(
    samples: Iterable[Sample], problems: Iterable[str | None], bad: dict[Path, str], stop: Stop
) -> Iterable[Sample]:
    for sample, problem in zip(samples, problems, strict=True):
        stop.check()
        if problem is None:
            yield sample
        else:
            bad[sample.path] = problem


def _problem(path: Path, shrink_to: int) -> str | None:
    try:
        read_picture(path, shrink_to=shrink_to)
    except PictureError as error:
        return str(error)
    return None
