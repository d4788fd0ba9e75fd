"""Reading every picture once before training: what is unreadable is known, by path, before the first step."""

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from container.cpus import available_cpus
from container.errors import DataError, PictureError
from container.picture import read_picture
from container.train.channels import SPLITS, Sample, Splits
from container.train.distributed import World
from container.train.stopping import Interrupted, Stop

logger = logging.getLogger(__name__)


def drop_unreadable(
    splits: Splits, *, bad_images: str, shrink_to: int, stop: Stop, world: World
) -> tuple[Splits, dict[Path, str]]:
    """Decode every picture of every split and leave out those that cannot be.

    Args:
        splits: What to read.
        bad_images: `skip` leaves unreadable pictures out; `fail` ends the job, naming the first.
        shrink_to: Shorter side, in pixels, at which pictures will be used.
        stop: Looked at between pictures.
        world: The processes of the job, which share the work and come to the same result.

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
    # The decoders let go of the interpreter lock.
    with ThreadPoolExecutor(max(1, available_cpus() // world.local_size)) as pool:
        try:
            for name in SPLITS:
                samples: Sequence[Sample] = getattr(splits, name)
                problems = _problems(samples, shrink_to, pool, stop, world)
                readable[name] = tuple(sample for number, sample in enumerate(samples) if number not in problems)
                bad |= {samples[number].path: problems[number] for number in sorted(problems)}
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


def _problems(
    samples: Sequence[Sample], shrink_to: int, pool: ThreadPoolExecutor, stop: Stop, world: World
) -> dict[int, str]:
    """The numbers of the samples that cannot be read, by any process, and why."""
    share = range(world.rank, len(samples), world.size)
    found: dict[int, str] = {}
    cut_short = False
    for number, problem in zip(
        share, pool.map(lambda number: _problem(samples[number].path, shrink_to), share), strict=True
    ):
        if cut_short := stop.requested:
            break
        if problem is not None:
            found[number] = problem
    if world.any(cut_short):
        raise Interrupted
    return {number: problem for part in world.gather(found) for number, problem in part.items()}


def _problem(path: Path, shrink_to: int) -> str | None:
    try:
        read_picture(path, shrink_to=shrink_to)
    except PictureError as error:
        return str(error)
    return None
