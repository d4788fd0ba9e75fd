"""Batches come epoch after epoch, even if DataLoader workers die."""

import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import torch
from torch.utils.data import Dataset

from container.contract.errors import DataError, TrainingError
from container.train.data import loading
from container.train.data.batch_memory import BatchMemory, choose_batch_memory
from container.train.data.channels import Sample, list_splits
from container.train.data.dataset import TrainPictures
from container.train.data.loading import EpochLoader
from container.train.data.order import TrainOrder
from container.train.data.training_sizes import TrainingSizes
from container.train.program import own_message

Folder = Callable[..., Path]
PIXELS = torch.zeros((2, 2, 3), dtype=torch.uint8)


class Numbers(Dataset[tuple[torch.Tensor, int] | None]):
    """A picture's target is its number and epoch."""

    def __getitem__(self, key: tuple[int, int]) -> tuple[torch.Tensor, int] | None:
        epoch, index = key
        return (PIXELS, 100 * epoch + index) if index != 5 else None


class Deadly(Numbers):
    """The reader of one picture is killed, once or always."""

    def __init__(self, once: Path | None) -> None:
        self.once = once

    def __getitem__(self, key: tuple[int, int]) -> tuple[torch.Tensor, int] | None:
        if key == (1, 3) and not (self.once and self.once.exists()):
            if self.once:
                self.once.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__getitem__(key)


def order(epoch: int) -> list[list[tuple[int, int]]]:
    return [[(epoch, 2 * step), (epoch, 2 * step + 1)] for step in range(4)]


def loader(pictures: Dataset[object], workers: int) -> EpochLoader:
    return EpochLoader(pictures, order, steps=4, last=3, memory=BatchMemory(workers=workers), pin=False)


def targets(made: EpochLoader, epoch: int, done: int = 0) -> list[list[int]]:
    return [batch[1].tolist() for batch in made.batches(epoch, done)]


def expected(epoch: int) -> list[list[int]]:
    return [[100 * epoch + index for _, index in keys if index != 5] for keys in order(epoch)]


@pytest.mark.parametrize("workers", [0, 2])
def test_epochs_follow_each_other_and_what_cannot_be_read_is_left_out(workers: int):
    made = loader(Numbers(), workers)
    assert [targets(made, epoch) for epoch in (1, 2, 3)] == [expected(epoch) for epoch in (1, 2, 3)]
    assert targets(made, 2, done=3) == expected(2)[3:]
    made.close()


def test_the_same_workers_go_on_and_exit_with_the_loader():
    others = psutil.Process().children()
    made = loader(Numbers(), 2)
    targets(made, 1)
    workers = [process for process in psutil.Process().children() if process not in others]
    assert len(workers) == 2
    targets(made, 2)
    assert {*psutil.Process().children()} == {*others, *workers}
    made.close()
    assert psutil.wait_procs(workers)[1] == []


def test_a_worker_that_is_killed_is_replaced_and_nothing_lost(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    made = loader(Deadly(tmp_path / "died"), 2)
    assert [targets(made, epoch) for epoch in (1, 2)] == [expected(1), expected(2)]
    assert [record.getMessage() for record in caplog.records if "restarted from" in record.getMessage()] != []
    made.close()


def test_workers_that_keep_dying_end_the_job_with_advice(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(loading, "_MOST_DEATHS", 1)  # each is found after five seconds
    with pytest.raises(TrainingError, match=r"died 2 times.*lower num-workers or batch-size.*--shm-size"):
        targets(loader(Deadly(None), 1), 1)


@pytest.fixture
def samples(image_folder: Folder) -> tuple[Sample, ...]:
    return list_splits(image_folder("train", red=5, blue=4).parent).train


@pytest.fixture
def short_tmp() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="t-", dir="/tmp") as path:
        yield Path(path)


@pytest.mark.parametrize(
    "memory", [BatchMemory(workers=0), BatchMemory(workers=1), BatchMemory(workers=1, in_files=True)]
)
def test_workers_change_nothing(
    samples: tuple[Sample, ...], memory: BatchMemory, short_tmp: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(tempfile, "tempdir", str(short_tmp))
    order = TrainOrder(count=len(samples), batch_size=4, seed=0)
    sizes = TrainingSizes(full=64, start=0.5, epochs=2)
    pictures = TrainPictures(samples, "trivial", 64, seed=0, random_erasing=0.5, sizes=sizes)
    made = EpochLoader(pictures, order.share, steps=order.steps(), last=2, memory=memory, pin=False)
    batches = [*made.batches(1), *made.batches(2)]
    made.close()
    assert list(short_tmp.iterdir()) == []
    assert [tuple(found.shape) for found, _ in batches] == [(4, 32, 32, 3)] * 2 + [(4, 64, 64, 3)] * 2
    for (found, classes), keys in zip(batches, order.share(1) + order.share(2), strict=True):
        assert found.dtype == torch.uint8
        assert torch.equal(found, torch.stack([pictures[key][0] for key in keys]))
        assert classes.tolist() == [samples[index].target for _, index in keys]


def test_a_reader_s_error_is_one_line(samples: tuple[Sample, ...]):
    samples[3].path.unlink()
    order = TrainOrder(count=len(samples), batch_size=4, seed=0)
    pictures = TrainPictures(samples, "default", 32, 0, bad_images="fail")
    with pytest.raises(DataError) as caught:
        list(EpochLoader(pictures, order.share, steps=1, last=1, memory=BatchMemory(workers=1), pin=False).batches(1))
    assert own_message(caught.value).startswith(f"the picture {samples[3].path} cannot be opened: No such file")
    assert "\n" not in own_message(caught.value)


@pytest.mark.parametrize(
    ("shared", "files", "chosen"),
    [
        (100, 0, BatchMemory(workers=4)),
        (89, 200, BatchMemory(workers=4, in_files=True)),
        (89, 0, BatchMemory(workers=3)),
        (50, 100, BatchMemory(workers=1)),
        (40, 160, BatchMemory(workers=3, in_files=True)),
        (0, 0, BatchMemory(workers=0)),
    ],
)
def test_batches_go_where_there_is_room(shared: int, files: int, chosen: BatchMemory, caplog: pytest.LogCaptureFixture):
    """Four workers have 10 batches on their way, of 9 bytes."""

    def free(directory: Path) -> int:
        if not (shared or files):
            raise FileNotFoundError(directory)
        return shared if directory == Path("/dev/shm") else files

    assert choose_batch_memory(4, batch_bytes=9, processes=1, free_bytes=free) == chosen
    assert bool(caplog.records) == (chosen != BatchMemory(workers=4))


def test_processes_on_a_host_share_its_memory():
    assert choose_batch_memory(4, batch_bytes=9, processes=2, free_bytes=lambda _: 100) == BatchMemory(workers=1)
    assert choose_batch_memory(0, batch_bytes=9, processes=2, free_bytes=lambda _: 0) == BatchMemory(workers=0)


def test_a_long_tmpdir_has_no_room_for_sockets_and_is_said(
    samples: tuple[Sample, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    directory = tmp_path / ("long" * 20)
    directory.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(directory))
    memory = choose_batch_memory(1, batch_bytes=4 * 32 * 32 * 3, processes=1)
    assert memory == BatchMemory(workers=1, in_files=True)
    assert f"TMPDIR, {directory}, is too long a path" in caplog.text
    pictures = TrainPictures(samples, "default", 32, seed=0)
    order = TrainOrder(count=len(samples), batch_size=4, seed=0)
    made = EpochLoader(pictures, order.share, steps=order.steps(), last=1, memory=memory, pin=False)
    assert len(list(made.batches(1))) == order.steps()
    made.close()
