"""How many threads a job on a CPU takes."""

from collections.abc import Iterator

import pytest
import torch

from container.contract.hyperparameters import TrainConfig
from container.cpus import available_cpus
from container.train.device import choose_device
from container.train.launch.distributed import World
from container.train.launch.hosts import Rank


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("asked", "threads"),
    [("1", 1), ("1,4", 1), ("", None), ("many", None), ("0", None), ("100000", None)],
)
def test_as_many_as_openmp_is_told_and_no_more_than_there_are_cpus(monkeypatch, asked: str, threads: int | None):
    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    alone = World(Rank(rank=0, size=1, local_rank=0, local_size=1))
    choose_device(TrainConfig.from_strings({"use-cuda": "false"}), alone)
    assert torch.get_num_threads() == (threads or available_cpus())
