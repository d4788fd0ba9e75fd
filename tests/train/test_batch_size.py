"""A batch size is found by trying, and trying changes nothing."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from container.model import build_model
from container.preprocessing import Preprocessing
from container.train.batch_size import Trial, largest_that_fits, most_worth_trying, smallest_of_the_fast, speeds
from container.train.device import Device
from container.train.distributed import World
from container.train.hosts import Rank
from container.train.hyperparameters import TrainConfig
from container.train.sizing import find_batch_size, out_of_memory
from tests.train.conftest import SMALL, JobDirectory
from tests.train.ranks import on_ranks

Folder = Callable[..., Path]
CPU = Device(torch_device=torch.device("cpu"), amp_dtype=None, workers=0)
SMALL_INPUT = Preprocessing.for_size(32)
ALONE = World(Rank())


class Limited(nn.Module):
    """Has memory for so many pictures."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most
        self.norm = nn.BatchNorm2d(3)
        self.fc = nn.Linear(3, 2)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        if len(pictures) > self.most:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return self.fc(self.norm(pictures).mean((2, 3)))


@pytest.mark.parametrize(
    ("memory", "most", "found"),
    [(0, 64, 0), (1, 64, 1), (5, 64, 5), (8, 64, 8), (13, 64, 8), (50, 64, 48), (64, 64, 64), (999, 64, 64), (9, 7, 7)],
)
def test_the_largest_that_fits_is_found(memory: int, most: int, found: int):
    trial = Trial(Limited(memory), CPU, SMALL_INPUT)
    assert largest_that_fits(trial.fits, most) == found


def test_the_smallest_of_the_fast_ones_is_chosen():
    rates = {8: 100.0, 16: 180.0, 32: 195.0, 64: 200.0}
    found = speeds(rates.__getitem__, lambda size: size <= 64, 1000)
    assert found == rates
    assert smallest_of_the_fast(found) == 32
    assert speeds(rates.__getitem__, lambda size: size <= 40, 1000) == {8: 100.0, 16: 180.0, 32: 195.0}
    assert speeds({5: 3.0}.__getitem__, lambda _size: True, 5) == {5: 3.0}


def test_trying_leaves_the_network_and_the_random_numbers_as_they_were():
    model = build_model("resnet18", 3)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    random = torch.get_rng_state()
    trial = Trial(model, CPU, SMALL_INPUT)
    assert trial.fits(4)
    assert trial.speed(4) > 0
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_what_is_worth_trying_is_bounded(monkeypatch: pytest.MonkeyPatch):
    assert most_worth_trying(CPU, SMALL_INPUT, 100) == 10
    assert most_worth_trying(CPU, SMALL_INPUT, 3) == 2
    monkeypatch.setattr("container.train.batch_size.available_memory", lambda: 4e9)
    assert most_worth_trying(CPU, Preprocessing.for_size(224), 10_000) == 10


def find(world: World) -> int:
    """The second process has less memory."""
    return find_batch_size(Limited(16 if world.rank == 0 else 9), CPU, SMALL_INPUT, 10_000, world)


def test_processes_agree_on_what_all_can_do(tmp_path: Path):
    first, second = on_ranks(find, 2, tmp_path)
    assert first == second == 16, "eight for each"


def test_out_of_memory_names_the_batch_that_fits():
    config = TrainConfig(batch_size=64, image_size=32)
    assert out_of_memory(config, Limited(27), CPU, SMALL_INPUT, ALONE) == (
        "CUDA out of memory with batch-size 64 and image-size 32; 24 fits: set batch-size to that, or to 0 to have one "
        "found, or choose a smaller image-size"
    )
    assert "choose a smaller image-size or model-type" in out_of_memory(config, Limited(0), CPU, SMALL_INPUT, ALONE)


def test_a_job_that_was_interrupted_goes_on_with_the_batch_size_it_found(job: JobDirectory, image_folder: Folder):
    job.channel("train", image_folder("train", red=40, green=40))
    (job.base / "checkpoints").mkdir()
    first = job.run({**SMALL, "batch-size": "0", "epochs": "1"})
    assert first.code == 0, first.log
    assert "is within a twentieth of the fastest, and the smallest that is" in first.stdout
    again = job.run({**SMALL, "batch-size": "0", "epochs": "2"})
    assert again.code == 0, again.log
    assert "trying which is fast enough" not in again.stdout
    assert "resuming from the checkpoint of epoch 2, step 0" in again.stdout
