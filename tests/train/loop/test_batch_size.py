"""A batch size is found by trying, and trying changes nothing."""

import re
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from container.contract.errors import TrainingError
from container.contract.hyperparameters import TrainConfig
from container.contract.paths import MlPaths
from container.networks.batch_norm import fewest_pictures
from container.networks.build import build_model
from container.preprocessing import Preprocessing
from container.train.data.channels import complete_splits, list_splits
from container.train.device import Device
from container.train.launch.distributed import World
from container.train.launch.failure import compose
from container.train.launch.hosts import Rank
from container.train.launch.stopping import Interrupted, Stop
from container.train.loop.batch_size import explain_out_of_memory, find_batch_size, what_was_found
from container.train.loop.batch_trial import (
    Trial,
    largest_that_fits,
    most_worth_trying,
    smallest_of_the_fast,
    speeds,
)
from container.train.loop.pretrained import Start
from container.train.loop.train_model import train_model
from tests.train.conftest import TINY, JobDirectory
from tests.train.forked_job import run_program
from tests.train.ranks import on_ranks

Folder = Callable[..., Path]
CPU = Device(torch_device=torch.device("cpu"), amp_dtype=None, workers=0)
SMALL_INPUT = Preprocessing.for_size(32)
INPUT = Preprocessing.for_size(64)
ALONE = World(Rank())


class Limited(nn.Module):
    """Has memory for so many pictures."""

    def __init__(self, most: int, error: str = "CUDA error: out of memory") -> None:
        super().__init__()
        self.most = most
        self.error = torch.AcceleratorError(error)
        self.norm = nn.BatchNorm2d(3)
        self.fc = nn.Linear(3, 2)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        if len(pictures) > self.most:
            raise self.error
        return self.fc(nn.functional.dropout(self.norm(pictures).mean((2, 3))))


@pytest.mark.parametrize(
    ("memory", "most", "found"),
    [
        (0, 64, 0),
        (1, 64, 1),
        (5, 64, 5),
        (8, 64, 8),
        (13, 64, 8),
        (50, 64, 48),
        (64, 64, 64),
        (999, 64, 64),
        (999, 50, 48),
        (999, 63, 56),
        (999, 15, 8),
        (9, 7, 7),
        (9, 0, 0),
    ],
)
def test_the_largest_that_fits_is_found(memory: int, most: int, found: int):
    trial = Trial(Limited(memory), CPU, INPUT)
    assert largest_that_fits(trial.fits, most) == found


@pytest.mark.parametrize(("memory", "most", "found"), [(1, 64, 0), (2, 64, 2), (3, 64, 3), (40, 64, 40), (9, 1, 0)])
def test_none_is_smaller_than_the_least(memory: int, most: int, found: int):
    assert largest_that_fits(lambda size: size <= memory, most, least=2) == found


def test_few_sizes_are_tried():
    tried: list[int] = []

    def fits(size: int) -> bool:
        tried.append(size)
        return size <= 700

    assert largest_that_fits(fits, 65_536) == 696
    assert len(tried) == len(set(tried)) <= 20


def test_the_smallest_of_the_fast_ones_is_chosen():
    rates = {8: 100.0, 16: 180.0, 32: 195.0, 64: 200.0}
    found = speeds(rates.get, 1000)
    assert found == rates
    assert smallest_of_the_fast(found) == 32
    assert speeds(rates.get, 40) == {8: 100.0, 16: 180.0, 32: 195.0}


@pytest.mark.parametrize(
    ("memory", "most", "least", "found"),
    [(5, 64, 1, [4]), (9, 3, 1, [2]), (1, 64, 1, [1]), (1, 64, 2, []), (0, 8, 1, [])],
)
def test_below_eight_the_largest_power_of_two_is_taken(memory: int, most: int, least: int, found: list[int]):
    assert list(speeds(lambda size: 1.0 if size <= memory else None, most, least)) == found


@pytest.mark.parametrize("network", [lambda: build_model("resnet18", 3), lambda: Limited(4)])
def test_trying_leaves_the_network_and_the_random_numbers_as_they_were(network: Callable[[], nn.Module]):
    model = network().eval().requires_grad_(False)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    random = torch.get_rng_state()
    trial = Trial(model, CPU, SMALL_INPUT, memory=1e9)
    assert trial.fits(4)
    assert (trial.speed(4) or 0) > 0
    assert trial.fits(5) is not isinstance(model, Limited)
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not any(module.training for module in model.modules())
    assert all(parameter.grad is None and not parameter.requires_grad for parameter in model.parameters())


def test_a_step_that_ran_out_of_memory_leaves_none_of_its_tensors():
    trial = Trial(Limited(4), CPU, INPUT)
    assert trial.speed(5) is None
    assert all(parameter.grad is None for parameter in trial._model.parameters())
    assert trial.fits(4)


def test_what_is_worth_trying_is_bounded():
    assert most_worth_trying(CPU, 100) == 10
    assert most_worth_trying(CPU, 3) == 2
    assert most_worth_trying(CPU, 10_000) == 64
    gpu = Device(torch_device=torch.device("cuda"), amp_dtype=None, workers=0)
    assert most_worth_trying(gpu, 1_000_000) == 1024


def test_batch_normalisation_needs_two_values():
    model = build_model("resnet18", 2)
    assert fewest_pictures(model, INPUT.size) == 1
    assert fewest_pictures(model, SMALL_INPUT.size) == 2
    assert fewest_pictures(model, INPUT.size, 2) == 2
    assert Trial(build_model("resnet18", 3), CPU, SMALL_INPUT).fits(2)
    assert Trial(build_model("resnet18", 3), CPU, INPUT).fits(1)


def test_a_step_on_a_cpu_takes_no_more_memory_than_it_may():
    """ResNet-18 keeps 1.6 MB or so of a picture of 64 pixels."""
    model = build_model("resnet18", 3)
    unlimited, little, none = (Trial(model, CPU, INPUT, memory=memory) for memory in (1e12, 30e6, 0.0))
    assert unlimited.fits(16)
    assert little.fits(2)
    assert not little.fits(64)
    assert none.fits(1), "the smallest batch is tried all the same"
    assert not none.fits(2)


def test_a_request_takes_the_fastest_and_says_so(caplog: pytest.LogCaptureFixture):
    caplog.set_level("INFO")
    size = find_batch_size(Limited(9), CPU, SMALL_INPUT, 10_000, Stop(), ALONE)
    assert size == 8
    assert re.fullmatch(r"batch-size 8: [\d.]+ pictures/s; 16 does not fit in memory", caplog.messages[-1])


def test_the_line_of_the_log():
    rates = {8: 100.4, 16: 180.0, 32: 195.0, 64: 196.0, 128: 200.0}
    assert what_was_found(32, rates, 200, 1) == (
        "batch-size 32: 195 pictures/s; 16 gives 180, 64 gives 196, 128 gives 200; more than 200 is not tried"
    )
    assert what_was_found(8, {8: 2.34}, 20, 1) == "batch-size 8: 2.3 pictures/s; 16 does not fit in memory"
    assert what_was_found(8, {8: 100.0, 16: 101.0}, 100, 4) == (
        "batch-size 32: 100 pictures/s on each of 4 devices; 64 gives 101; 128 does not fit in memory"
    )
    assert what_was_found(2, {8: 100.0}, 100, 2) == "batch-size 4: the most that suits the device of another process"


def test_a_network_for_which_there_is_no_room():
    with pytest.raises(TrainingError, match=r"batch-size 0: not even 1 fits in .*; choose a smaller model-type or"):
        find_batch_size(Limited(0), CPU, SMALL_INPUT, 10_000, Stop(), ALONE)


def test_a_job_that_is_asked_to_end_stops_trying():
    stop = Stop()
    stop.requested = True
    model = Limited(64)
    with pytest.raises(Interrupted):
        find_batch_size(model, CPU, SMALL_INPUT, 10_000, stop, ALONE)


def find(world: World) -> int:
    """The second process has less memory."""
    return find_batch_size(Limited(64 if world.rank == 0 else 5), CPU, SMALL_INPUT, 10_000, Stop(), world)


def find_nothing(world: World) -> str:
    """The second process has none."""
    try:
        find_batch_size(Limited(64 if world.rank == 0 else 0), CPU, SMALL_INPUT, 10_000, Stop(), world)
    except TrainingError as error:
        return str(error)
    return ""


def find_until_stopped(world: World) -> bool:
    """The second process is asked to end."""
    stop = Stop()
    stop.requested = world.rank == 1
    try:
        find_batch_size(Limited(64), CPU, SMALL_INPUT, 10_000, stop, world)
    except Interrupted:
        return True
    return False


def test_processes_agree_on_what_all_can_do(tmp_path: Path):
    assert on_ranks(find, 2, tmp_path) == [8, 8], "four for each"


def test_where_one_process_has_no_room_all_say_so(tmp_path: Path):
    first, second = on_ranks(find_nothing, 2, tmp_path)
    assert first == second
    assert first.startswith("batch-size 0: not even 4 fits")


def test_where_one_process_is_asked_to_end_all_do(tmp_path: Path):
    assert on_ranks(find_until_stopped, 2, tmp_path) == [True, True]


@pytest.mark.parametrize(
    ("memory", "processes", "advice"),
    [
        (27, 1, "; batch-size 24 fits: set it, or 0 to have it found, or lower image-size"),
        (999, 1, "; batch-size 56 fits: set it, or 0 to have it found, or lower image-size"),
        (9, 3, "; batch-size 24 fits: set it, or 0 to have it found, or lower image-size"),
        (0, 1, ", and no smaller batch fits: choose a smaller model-type or image-size"),
        (1, 2, ", and no smaller batch fits: choose a smaller model-type or image-size"),
    ],
)
def test_out_of_memory_names_the_batch_that_fits(memory: int, processes: int, advice: str):
    """Of all processes together, and never the one that did not."""
    config = TrainConfig(batch_size=64, image_size=64)
    message = explain_out_of_memory(config, Limited(memory), CPU, INPUT, World(Rank(size=processes)))
    assert message == f"CUDA out of memory with batch-size 64 and image-size 64 on the CPU{advice}"
    assert compose(message) == message, "no other advice beside it"


def test_a_trial_that_fails_does_not_hide_that_memory_ran_out():
    model = Limited(64)
    model.fc = nn.Linear(5, 2)
    message = explain_out_of_memory(TrainConfig(batch_size=64, image_size=64), model, CPU, INPUT, ALONE)
    assert message.startswith(
        "CUDA out of memory with batch-size 64 and image-size 64 on the CPU; no batch-size could be"
    )
    assert message.endswith("): halve it, or choose a smaller model-type or image-size")


def test_a_job_out_of_memory_at_the_smallest_images_has_its_advice():
    message = explain_out_of_memory(
        TrainConfig(batch_size=4, image_size=32), build_model("resnet18", 3), CPU, SMALL_INPUT, ALONE
    )
    assert "batch-size 3 fits" in message


def test_training_that_runs_out_of_memory_ends_with_what_fits(
    tmp_path: Path, image_folder: Folder, monkeypatch: pytest.MonkeyPatch
):
    """The failed step's tensors are gone before the first trial."""
    held: list[weakref.ref[torch.Tensor]] = []

    class Watched(Limited):
        def forward(self, pictures: torch.Tensor) -> torch.Tensor:
            if self.training and pictures.shape[0] == 12:
                held.append(weakref.ref(pictures))
            return super().forward(pictures)

    alive: list[bool] = []

    def advise(*arguments: Any) -> str:
        alive.extend(reference() is not None for reference in held)
        return explain_out_of_memory(*arguments)

    monkeypatch.setattr("container.train.loop.prepare.initial_model", lambda *_, **__: (Watched(10), Start("")))
    monkeypatch.setattr("container.train.loop.train_model.explain_out_of_memory", advise)
    image_folder("train", red=16, green=16)
    paths = MlPaths(tmp_path)
    paths.model.mkdir()
    paths.output_data.mkdir(parents=True)
    config = TrainConfig(batch_size=12, image_size=64, weights="none", use_cuda=False, num_workers=0, profile=False)
    with pytest.raises(TrainingError, match=r"CUDA out of memory with batch-size 12 and .*; batch-size 8 fits: set it"):
        train_model(config, complete_splits(list_splits(tmp_path / "data"), 0), paths, Stop(), ALONE)
    assert alive == [False]


def test_a_job_that_is_started_again_goes_on_with_the_batch_size_it_found(tmp_path: Path, image_folder: Folder):
    """And comes to the bits of a job that was told the number."""
    train = image_folder("train", red=60, green=60)
    job, told = (JobDirectory(tmp_path / name) for name in ("found", "told"))
    job.channel("train", train)
    told.channel("train", train)
    (job.base / "checkpoints").mkdir()
    first = run_program(job, {**TINY, "batch-size": "0", "epochs": "1"})
    assert first.code == 0, first.log
    assert re.search(r"^batch-size 8: [\d.]+ pictures/s; more than 9 is not tried$", first.stdout, re.M), first.log
    again = run_program(job, {**TINY, "batch-size": "0", "epochs": "2"})
    assert again.code == 0, again.log
    assert "batch-size 8: that of the checkpoint\n" in again.stdout
    assert "trying which size is fast enough" not in again.stdout
    assert "resuming from the checkpoint of epoch 2, step 0" in again.stdout
    assert [record["epoch"] for record in job.metrics()[:-1]] == [1, 2]
    assert run_program(told, {**TINY, "batch-size": "8", "epochs": "2"}).code == 0
    models = [(each.model / "model.safetensors").read_bytes() for each in (job, told)]
    assert models[0] == models[1]
