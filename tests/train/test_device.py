"""How many threads a job on a CPU takes, and its precision."""

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


@pytest.mark.parametrize(
    ("network", "gains"),
    [("resnet18", True), ("vit_tiny_patch16_224", True), ("convnext_atto", True), ("tf_efficientnet_lite0", False)],
)
def test_a_cpu_trains_in_bf16_where_it_has_it_and_the_network_gains_from_it(network: str, gains: bool):
    alone = World(Rank(rank=0, size=1, local_rank=0, local_size=1))
    config = TrainConfig.from_strings({"use-cuda": "false", "model-type": network, "image-size": "64"})
    has = torch.cpu._is_avx512_bf16_supported() and (gains or torch.cpu._is_amx_tile_supported())
    assert choose_device(config, alone).amp_dtype is (torch.bfloat16 if has else None)
