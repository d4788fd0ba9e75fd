"""A CPU's precision is the faster one for the job's network, found by trying, and trying changes nothing."""

import logging
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from container.contract.hyperparameters import TrainConfig
from container.networks.build import build_model
from container.preprocessing import Preprocessing
from container.train.device import Device
from container.train.launch.distributed import World
from container.train.launch.hosts import Rank
from container.train.loop.precision import choose_precision, faster_precision
from tests.train.conftest import SMALL, JobDirectory
from tests.train.forked_job import run_program
from tests.train.ranks import on_ranks

DTYPES = {"bf16": torch.bfloat16, "fp32": None}
CPU = Device(torch_device=torch.device("cpu"), amp_dtype=torch.bfloat16, workers=0)
INPUT = Preprocessing.for_size(64)
MEASURED = r"^precision (bf16|fp32): a step of (\d+) pictures takes ([\d.]+) s in fp32 and ([\d.]+) s in bf16"
HAS_BF16 = pytest.mark.skipif(not torch.cpu._is_avx512_bf16_supported(), reason="only a CPU with bf16 has the choice")


def choose(amp: str, pictures: int, device: Device = CPU, world: World | None = None) -> torch.dtype | None:
    config = TrainConfig(model_type="resnet18", image_size=64, batch_size=4, epochs=10, amp=amp)
    model = build_model("resnet18", 2, image_size=64)
    return choose_precision(config, model, device, INPUT, pictures, None, world or World(Rank())).amp_dtype


@pytest.mark.parametrize("network", ["resnet18", "tf_efficientnet_lite0"])
def test_bf16_is_chosen_if_it_is_faster_and_the_network_is_as_before(network: str, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    model = build_model(network, 3, image_size=64).eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    random = torch.get_rng_state()
    chosen = faster_precision(model, CPU, INPUT, 4)
    found = re.search(MEASURED, caplog.messages[-1])
    assert found, caplog.text
    named, size, fp32, bf16 = found.groups()
    assert (named, size) == (chosen, "4")
    assert 0 < float(bf16) < 0.91 * float(fp32) if chosen == "bf16" else 0 < float(fp32) < 1.12 * float(bf16)
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_only_a_job_that_leaves_it_open_and_is_not_tiny_is_measured(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    assert choose("bf16", 10_000) is torch.bfloat16
    assert choose("auto", 10_000, Device(torch_device=CPU.torch_device, amp_dtype=None, workers=0)) is None
    assert not caplog.messages
    assert choose("auto", 10) is None
    assert caplog.messages == ["precision fp32: the job is too small to measure whether bf16 is faster"]
    chosen = choose("auto", 10_000)
    found = re.search(MEASURED, caplog.messages[-1])
    assert found
    assert DTYPES[found[1]] is chosen


def _choose(world: World) -> str:
    own = CPU if world.is_first else Device(torch_device=CPU.torch_device, amp_dtype=None, workers=0)
    return str(choose("auto", 10_000, own, world))


def test_all_processes_take_the_choice_of_the_first(tmp_path: Path):
    found = on_ranks(_choose, 2, tmp_path)
    assert found[0] == found[1]


@HAS_BF16
def test_a_job_that_is_started_again_keeps_its_precision(tmp_path: Path, image_folder: Callable[..., Path]):
    """And comes to the bits of a job that was told the precision."""
    train = image_folder("train", red=64, green=64)
    job, told = (JobDirectory(tmp_path / name) for name in ("found", "told"))
    for each in (job, told):
        each.channel("train", train)
    (job.base / "checkpoints").mkdir()
    settings = {**SMALL, "model-type": "mobilenetv3_small_050", "recipe": "seed", "image-size": "320"}
    first = run_program(job, {**settings, "epochs": "1"})
    assert first.code == 0, first.log
    found = re.search(MEASURED, first.stdout, re.M)
    assert found, first.log
    again = run_program(job, {**settings, "epochs": "2"})
    assert again.code == 0, again.log
    assert f"precision {found[1]}: that of the checkpoint\n" in again.stdout
    assert not re.search(MEASURED, again.stdout, re.M)
    assert [record["epoch"] for record in job.metrics()[:-1]] == [1, 2]
    amp = "bf16" if found[1] == "bf16" else "off"
    last = run_program(told, {**settings, "epochs": "2", "amp": amp})
    assert last.code == 0, last.log
    models = [(each.model / "model.safetensors").read_bytes() for each in (job, told)]
    assert models[0] == models[1]
