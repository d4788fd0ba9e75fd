"""What is kept of pictures: by threads, processes and hosts, as far as there is room, and gone with the job."""

import os
import subprocess
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from container.contract.channels import SPLITS
from container.jpeg import Read
from container.preprocessing import Preprocessing
from container.train.data.channels import list_splits
from container.train.data.dataset import prepare_as_served, prepare_to_vary
from container.train.data.picture_cache import CacheWriter, PictureCache, room_for_cache
from container.train.data.scan import scan
from container.train.launch.distributed import World
from container.train.launch.hosts import Rank
from container.train.launch.stopping import Stop
from tests.conftest import write_image_folder
from tests.train.ranks import on_ranks

Folder = Callable[..., Path]
ALONE = World(Rank())


def picture(number: int, side: int = 8) -> Read:
    return Read(pixels=np.full((side, 2 * side, 3), number, np.uint8), width=200, height=100)


def test_threads_write_and_all_is_read_back():
    writer = CacheWriter(2**20)
    with ThreadPoolExecutor(4) as pool:
        entries = list(pool.map(lambda number: writer.add(0, picture(number, 4 + number % 5)), range(100)))
    cache = PictureCache(writer.shared(ALONE), np.array(entries))
    assert cache.count == 100
    for number in range(100):
        read = cache.read(number)
        assert read is not None
        assert np.array_equal(read.pixels, picture(number, 4 + number % 5).pixels)
        assert (read.width, read.height) == (200, 100)


def test_what_has_no_room_is_not_kept():
    writer = CacheWriter(2 * picture(0).pixels.nbytes)
    entries = [writer.add(0, picture(number)) for number in range(3)]
    cache = PictureCache(writer.shared(ALONE), np.array(entries))
    assert cache.count == 2
    assert cache.read(1) is not None
    assert cache.read(2) is None


def test_it_has_no_name_in_the_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    writer = CacheWriter(2**20)
    writer.add(0, picture(1))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_on_a_full_disk_what_was_written_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", tmp_path], check=True)
    try:
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        writer = CacheWriter(2**30)
        entries = [writer.add(0, picture(number, 300)) for number in range(4)]
        cache = PictureCache(writer.shared(ALONE), np.array(entries))
        kept = cache.read(0)
        assert kept is not None
        assert np.array_equal(kept.pixels, picture(0, 300).pixels)
        assert cache.count == 1
        assert "no more pictures are cached" in caplog.text
        del kept, cache, writer
    finally:
        subprocess.run(["umount", "--lazy", tmp_path], check=True)


@pytest.mark.parametrize(("cache", "expected"), [("off", 0), ("auto", 1000), ("on", 7200)])
def test_how_much_it_may_take(cache: str, expected: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("container.train.data.picture_cache.available_memory", lambda: 4000)
    monkeypatch.setattr("shutil.disk_usage", lambda _path: type("Usage", (), {"free": 16_000}))
    assert room_for_cache(cache, 2) == expected


def scanned(world: World, channels: Path, cache: str = "auto") -> list[dict[str, Any]]:
    splits = list_splits(channels)
    served = prepare_as_served(Preprocessing.for_size(32))
    found = scan(
        splits,
        prepare={"train": prepare_to_vary(32), "validation": served, "test": served},
        cache=cache,
        bad_images="skip",
        stop=Stop(),
        world=world,
    )
    result = []
    for name in SPLITS:
        cached = found.caches.get(name)
        kept = [cached.read(index) if cached else None for index in range(len(getattr(found.splits, name)))]
        result.append({"sums": [-1 if read is None else int(read.pixels.sum()) for read in kept]})
    return [*result, {"unreadable": [path.name for path in found.unreadable]}]


def channels(directory: Path) -> Path:
    for name, count in (("train", 9), ("validation", 4), ("test", 3)):
        write_image_folder(directory / name, {"red": count, "blue": count})
    (directory / "train" / "red" / "004.png").write_bytes(b"no picture")
    return directory


def test_a_scan_keeps_what_it_read(tmp_path: Path):
    train, validation, test, bad = scanned(ALONE, channels(tmp_path))
    assert bad == {"unreadable": ["004.png"]}
    assert [len(split["sums"]) for split in (train, validation, test)] == [17, 8, 6]
    assert all(found > 0 for split in (train, validation, test) for found in split["sums"])
    assert {found for split in scanned(ALONE, tmp_path, "off")[:3] for found in split["sums"]} == {-1}


def scan_as_one_of_two(world: World) -> list[dict[str, Any]]:
    return scanned(world, Path(os.environ["SLIPWAY_TEST_CHANNELS"]))


def scan_on_a_host_of_its_own(world: World) -> list[dict[str, Any]]:
    """As where each host has one process."""
    world.local_rank, world.local_size = 0, 1
    return scanned(world, Path(os.environ["SLIPWAY_TEST_CHANNELS"]))


@pytest.mark.parametrize("work", [scan_as_one_of_two, scan_on_a_host_of_its_own])
def test_processes_share_the_reading_and_what_they_keep(
    work: Callable[[World], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SLIPWAY_TEST_CHANNELS", str(channels(tmp_path / "data")))
    alone = scanned(ALONE, tmp_path / "data")
    assert on_ranks(work, 2, tmp_path) == [alone, alone]
