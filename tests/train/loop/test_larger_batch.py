"""Steps of the batch and of twice the batch are timed before training, and timing changes nothing."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from container.contract.hyperparameters import TrainConfig
from container.networks.build import build_model
from container.preprocessing import Preprocessing
from container.report.profile_reading import read_profile
from container.train.device import Device
from container.train.launch.distributed import World
from container.train.launch.hosts import Rank
from container.train.loop.larger_batch import time_steps
from tests.train.conftest import TINY, JobDirectory
from tests.train.forked_job import run_program

CPU = Device(torch_device=torch.device("cpu"), amp_dtype=None, workers=0)
INPUT = Preprocessing.for_size(32)
CONFIG = TrainConfig(model_type="resnet18", image_size=32, batch_size=4, epochs=10, freeze_epochs=0)
PICTURES = 400
"""A thousand steps."""


def test_both_are_timed_and_the_network_is_as_before():
    model = build_model("resnet18", 2, image_size=32).eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    random = torch.get_rng_state()
    found = time_steps(CONFIG, model, CPU, INPUT, PICTURES, World(Rank()))
    assert found.keys() == {4, 8}
    assert min(found.values()) > 0
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not model.training


@pytest.mark.parametrize(
    "change",
    [{"epochs": 5}, {"profile": False}, {"compile": True}, {"freeze_epochs": 10}, {"probe": "only"}],
    ids=["few steps", "not profiled", "compiled", "the head alone", "no epoch"],
)
def test_a_job_that_would_learn_nothing_from_it_is_not_timed(change: dict[str, object]):
    assert _time(replace(CONFIG, **change)) == {}


def test_no_larger_batch_is_timed_than_would_be_advised():
    assert _time(replace(CONFIG, batch_size=48, epochs=1000)) == {}


def test_twice_the_batch_does_not_fit():
    assert _time(CONFIG, most=7) == {}
    assert _time(CONFIG, most=8).keys() == {4, 8}


def test_a_job_s_profile_has_them(tmp_path: Path, image_folder: Callable[..., Path]):
    job = JobDirectory(tmp_path / "job")
    job.channel("train", image_folder("train", red=40, green=40))
    # So many epochs that it is worth timing, of which the second is no better than the first.
    settings = {"batch-size": "2", "epochs": "30", "early-stopping-patience": "1", "opt-learning-rate": "1e-9"}
    result = run_program(job, {**TINY, **settings})
    assert result.code == 0, result.log
    assert read_profile(job.data / "profile").step_seconds.keys() == {2, 4}
    assert "a step of 2 pictures takes" in result.stdout


class _Full(nn.Module):
    """Has memory for so many pictures."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most
        self.fc = nn.Linear(3, 2)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        if len(pictures) > self.most:
            raise torch.AcceleratorError("CUDA error: out of memory")
        return self.fc(pictures.mean((2, 3)))


def _time(config: TrainConfig, most: int = 1000) -> dict[int, float]:
    return dict(time_steps(config, _Full(most), CPU, INPUT, PICTURES, World(Rank())))
