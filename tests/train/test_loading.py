"""Batches come epoch after epoch, whatever becomes of the processes that read them."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import torch
from torch.utils.data import Dataset

from container.errors import DataError, TrainingError
from container.train import loading
from container.train.channels import Sample, list_splits
from container.train.dataset import TrainPictures
from container.train.loading import Loader
from container.train.order import TrainOrder
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


def loader(pictures: Dataset[object], workers: int) -> Loader:
    return Loader(pictures, order, steps=4, last=3, workers=workers, pin=False)


def targets(made: Loader, epoch: int, done: int = 0) -> list[list[int]]:
    return [batch[1].tolist() for batch in made.batches(epoch, done)]


def expected(epoch: int) -> list[list[int]]:
    return [[100 * epoch + index for _, index in keys if index != 5] for keys in order(epoch)]


@pytest.mark.parametrize("workers", [0, 2])
def test_epochs_follow_each_other_and_what_cannot_be_read_is_left_out(workers: int):
    made = loader(Numbers(), workers)
    assert [targets(made, epoch) for epoch in (1, 2, 3)] == [expected(epoch) for epoch in (1, 2, 3)]
    assert targets(made, 2, done=3) == expected(2)[3:]
    made.close()


def test_the_same_readers_go_on_and_end_with_the_loader():
    others = psutil.Process().children()
    made = loader(Numbers(), 2)
    targets(made, 1)
    readers = [process for process in psutil.Process().children() if process not in others]
    assert len(readers) == 2
    targets(made, 2)
    assert {*psutil.Process().children()} == {*others, *readers}
    made.close()
    assert psutil.wait_procs(readers, timeout=60)[1] == []


def test_a_reader_that_is_killed_is_replaced_and_nothing_lost(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    made = loader(Deadly(tmp_path / "died"), 2)
    assert [targets(made, epoch) for epoch in (1, 2)] == [expected(1), expected(2)]
    assert [record.getMessage() for record in caplog.records if "others take over" in record.getMessage()] != []
    made.close()


def test_readers_that_keep_being_killed_end_the_job_with_advice(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(loading, "_DEATHS", 1)  # each is found after five seconds
    with pytest.raises(TrainingError, match=r"ended 2 times.*lower num-workers or batch-size.*--shm-size"):
        targets(loader(Deadly(None), 1), 1)


@pytest.fixture
def samples(image_folder: Folder) -> tuple[Sample, ...]:
    return list_splits(image_folder("train", red=5, blue=4).parent).train


@pytest.mark.parametrize("workers", [0, 1])
def test_readers_change_nothing(samples: tuple[Sample, ...], workers: int):
    order = TrainOrder(count=len(samples), batch_size=4, seed=0)
    pictures = TrainPictures(samples, "default", 32, seed=0)
    made = Loader(pictures, order.share, steps=order.steps(), last=1, workers=workers, pin=False)
    batches = list(made.batches(1))
    made.close()
    assert [tuple(found.shape) for found, _ in batches] == [(4, 32, 32, 3), (4, 32, 32, 3)]
    for (found, classes), keys in zip(batches, order.share(1), strict=True):
        assert found.dtype == torch.uint8
        assert torch.equal(found, torch.stack([pictures[key][0] for key in keys]))
        assert classes.tolist() == [samples[index].target for _, index in keys]


def test_a_reader_s_error_is_one_line(samples: tuple[Sample, ...]):
    samples[3].path.unlink()
    order = TrainOrder(count=len(samples), batch_size=4, seed=0)
    pictures = TrainPictures(samples, "default", 32, 0, bad_images="fail")
    with pytest.raises(DataError) as caught:
        list(Loader(pictures, order.share, steps=order.steps(), last=1, workers=1, pin=False).batches(1))
    assert own_message(caught.value).startswith(f"the picture {samples[3].path} cannot be opened: No such file")
    assert "\n" not in own_message(caught.value)
