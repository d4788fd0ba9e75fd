"""Measures what listing pictures costs: the memory that the list keeps, and the CPU time of making it."""

import gc
import io
import os
import statistics
import tarfile
import tracemalloc
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from bench.cpu_time import cpu_seconds_of
from bench.rounds import measure
from container.train.data.channels import list_splits

_CLASSES = 100
_PICTURE = bytes(20_000)
_TRIES = 3


def pack(pictures: Sequence[tuple[bytes, int]], channels: Path, *, per_shard: int) -> None:
    """Write JPEGs and their class indices as the tar shards of a train channel, in WebDataset's form."""
    folder = channels / "train"
    folder.mkdir(parents=True)
    for start in range(0, len(pictures), per_shard):
        with tarfile.open(folder / f"{start:09}.tar", "w") as tar:
            for key, (data, target) in enumerate(pictures[start : start + per_shard], start):
                for ending, content in (("jpg", data), ("cls", str(target).encode())):
                    member = tarfile.TarInfo(f"{key:09}.{ending}")
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))


def listing(count: int, rounds: int, folder: Path, told: Callable[[str], None]) -> Mapping[str, Mapping[str, float]]:
    """Measure for class folders of files, and for tar shards: `bytes` and `cpu_us` (CPU microseconds) per picture.

    Args:
        count: Pictures to list, of 20 kB in shards.
        rounds: How often each is listed; the CPU time is the median.
        folder: An empty folder.
        told: Receives progress, as lines.
    """
    for number in range(count):
        of_class = folder / "files" / "train" / f"class-{number % _CLASSES:02}"
        of_class.mkdir(parents=True, exist_ok=True)
        (of_class / f"{number:09}.jpg").touch()
    pack([(_PICTURE, number % _CLASSES) for number in range(count)], folder / "shards", per_shard=1000)
    channels = {name: folder / name for name in ("files", "shards")}
    # The names in paths are interned, and Python's table of those doubles now and then: the least is without that.
    memory = {name: min(_kept_bytes(channel) for _ in range(_TRIES)) for name, channel in channels.items()}
    list_all = {name: partial(cpu_seconds_of, partial(list_splits, channel)) for name, channel in channels.items()}
    seconds = measure(list_all, rounds, lambda line: told(f"listing, {line}"))
    return {
        name: {
            "bytes": round(memory[name] / count, 1),
            "cpu_us": round(1e6 * statistics.median(seconds[name]) / count, 2),
        }
        for name in channels
    }


def _kept_bytes(channels: Path) -> int:
    """Measure the memory of a list whose paths have been opened, as they then keep their text."""
    tracemalloc.start()
    try:
        listed = list_splits(channels).train
        for sample in listed:
            os.fspath(sample.path)
        gc.collect()
        return tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
