"""Read every picture once before training, so that unreadable ones are known, by path, before the first step, and
the others are cached where there is room."""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from container.contract.channels import SPLITS
from container.contract.errors import DataError, PictureError
from container.cpus import available_cpus
from container.folder import printable
from container.train.data.channels import Sample, Splits
from container.train.data.dataset import Prepare
from container.train.data.picture_cache import CacheWriter, Entry, PictureCache, room_for_cache
from container.train.launch.distributed import World
from container.train.launch.stopping import Interrupted, Stop

logger = logging.getLogger(__name__)

_LOGGED_EVERY_S = 10


@dataclass(frozen=True, kw_only=True)
class Scan:
    """The result of a scan."""

    splits: Splits
    """Without the unreadable pictures."""
    unreadable: Mapping[Path, str]
    """Unreadable pictures, and why they are."""
    caches: Mapping[str, PictureCache]
    """The cached pictures of each split, by its name; empty if `cache` is off."""


def scan(
    splits: Splits, *, prepare: Mapping[str, Prepare], cache: str, bad_images: str, stop: Stop, world: World
) -> Scan:
    """Read every picture of every split, leave out those that are unreadable, and cache the others while there is room.

    Args:
        splits: The pictures to read.
        prepare: How to read them, by split.
        cache: The hyperparameter.
        bad_images: `skip` leaves unreadable pictures out; `fail` ends the job, naming the first.
        stop: Checked between pictures.
        world: The processes of the job. Those of each host share the work, and all return the same result.

    Raises:
        DataError: A picture is unreadable and `bad_images` is `fail`, or a class or split has no readable picture
            left.
        Interrupted: The job was asked to end.
    """
    bad: dict[Path, str] = dict(splits.unreadable)
    if bad and bad_images == "fail":
        raise DataError(
            f"files or folders in the channels cannot be read ({len(bad)}), and bad-images is fail; the first: "
            f"{next(iter(bad.values()))}. Repair or remove it, or set bad-images to skip"
        )
    readable: dict[str, tuple[Sample, ...]] = {}
    entries: dict[str, torch.Tensor] = {}
    total = sum(len(getattr(splits, name)) for name in SPLITS)
    writer = CacheWriter(room_for_cache(cache, world.local_size))
    logger.info(
        "reading all %d pictures once%s", total, "" if cache == "off" else ", and caching them while there is room"
    )
    progress = _ProgressLog(total, world)
    with _threads(world) as pool:
        for name in SPLITS:
            samples: Sequence[Sample] = getattr(splits, name)
            problems, kept = _read(samples, prepare[name], writer, stop, world, pool, progress)
            left = [number for number in range(len(samples)) if number not in problems]
            readable[name] = tuple(samples[number] for number in left)
            entries[name] = kept[left]
            bad |= {samples[number].path: problems[number] for number in sorted(problems)}
            _check(name, readable[name], samples, bad, bad_images)
    files = writer.shared(world)
    caches: dict[str, PictureCache] = {}
    if cache != "off":
        caches = {name: PictureCache(files, table.numpy()) for name, table in entries.items()}
        size = sum(file.size() for file in files if file) / 2**20
        logger.info(
            "cached %d of %d pictures, %.0f MB", sum(each.count for each in caches.values()), total - len(bad), size
        )
    found = replace(splits, train=readable["train"], validation=readable["validation"], test=readable["test"])
    for index, count in enumerate(found.class_counts()):
        if not count:
            raise DataError(
                f"class {splits.classes[index]} has no readable picture left in train; "
                f"{len(bad)} pictures are unreadable, the first: {next(iter(bad.values()))}"
            )
    return Scan(splits=found, unreadable=bad, caches=caches)


def _check(
    name: str, readable: Sequence[Sample], samples: Sequence[Sample], bad: dict[Path, str], bad_images: str
) -> None:
    if bad and bad_images == "fail":
        path, reason = next(iter(bad.items()))
        raise DataError(
            f"{len(bad)} picture{'s' * (len(bad) > 1)} of the {name} channel cannot be read, and bad-images is fail; "
            f"the first: {reason}. Repair or remove {printable(path.name)}, or set bad-images to skip"
        )
    if samples and not readable:
        raise DataError(
            f"no picture of the {name} channel can be read; {len(samples)} are unreadable, the first: "
            f"{bad[samples[0].path]}"
        )


class _ProgressLog:
    """Logs from time to time how many pictures are read."""

    def __init__(self, total: int, world: World) -> None:
        self._total = -(-total // world.local_size)
        self._read = 0
        self._logged = time.monotonic()

    def count(self) -> None:
        self._read += 1
        if time.monotonic() - self._logged >= _LOGGED_EVERY_S:
            self._logged = time.monotonic()
            logger.info("read %d of %d pictures", self._read, self._total)


@contextmanager
def _threads(world: World) -> Iterator[ThreadPoolExecutor]:
    cpus = max(1, available_cpus() // world.local_size)
    # Decoders release the GIL; more threads than CPUs, because some wait for a slow disk or for S3.
    with ThreadPoolExecutor(min(32, 2 * cpus + 4)) as pool:
        try:
            yield pool
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _read(
    samples: Sequence[Sample],
    prepare: Prepare,
    writer: CacheWriter,
    stop: Stop,
    world: World,
    pool: ThreadPoolExecutor,
    progress: _ProgressLog,
) -> tuple[dict[int, str], torch.Tensor]:
    """Read one split.

    Returns:
        The indices of the samples that are unreadable on any host, and why; and each sample's entry in the cache of
        this host, int64 (samples, 6).
    """

    def look(number: int) -> Entry | str:
        if stop.requested:
            return ""
        try:
            return writer.add(world.rank, prepare(samples[number].path))
        except PictureError as error:
            return str(error)

    share = range(world.local_rank, len(samples), world.local_size)
    problems: dict[int, str] = {}
    places = torch.full((len(samples), 6), -1, dtype=torch.int64)
    for number, found in zip(share, pool.map(look, share), strict=True):
        progress.count()
        if isinstance(found, str):
            problems[number] = found
        else:
            places[number] = torch.tensor(found)
    if world.any(stop.requested):
        raise Interrupted
    node = world.rank // world.local_size
    for other, (others_problems, others_places) in enumerate(world.gather((problems, places))):
        problems |= others_problems
        if other // world.local_size == node:
            places = torch.where(places[:, :1] >= 0, places, others_places)
    return problems, places
