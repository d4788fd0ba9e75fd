"""What the debugger saves of several processes."""

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from container.contract.metric_lines import TrainLine, read_line
from container.train.debugger.hook import Hook
from container.train.debugger.modes import ModeKeys
from container.train.debugger.save_config import SaveConfig
from container.train.launch.distributed import World
from tests.conftest import write_image_folder
from tests.train.conftest import SMALL, JobDirectory
from tests.train.debugger.trial_reader import read, read_workers
from tests.train.forked_job import ForkedJob, run_ranks
from tests.train.ranks import on_ranks

STEPS = 3


def learn(trial: Path, workers: str, world: World) -> dict[str, Any]:
    """What torch itself has: the gradients before each optimizer step, averaged, and those of the own batch alone."""
    torch.manual_seed(0)
    model, bare = (nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)) for _ in range(2))
    criterion = nn.CrossEntropyLoss()
    hook = Hook(
        trial,
        save_config=SaveConfig(save_interval=1),
        include_collections=["gradients"],
        include_workers=workers,
    )
    hook.register_module(model)
    hook.register_loss(criterion)
    hook.set_mode(ModeKeys.TRAIN)
    network, optimizer = world.parallel(model), torch.optim.SGD(model.parameters(), 0.1)
    own_batches = torch.Generator().manual_seed(world.rank)
    recorded: dict[str, Any] = {}
    for step in range(STEPS):
        inputs, targets = torch.randn(5, 4, generator=own_batches), torch.tensor([0, 1, 0, 1, 1])
        bare.load_state_dict(model.state_dict())
        alone = torch.autograd.grad(nn.functional.cross_entropy(bare(inputs), targets), list(bare.parameters()))
        optimizer.zero_grad()
        criterion(network(inputs), targets).backward()
        for (name, parameter), of_batch in zip(model.named_parameters(), alone, strict=True):
            assert parameter.grad is not None
            key = f"TRAIN {step} gradient/Sequential_{name}"
            recorded[key] = {"averaged": parameter.grad.tolist(), "alone": of_batch.tolist()}
        optimizer.step()
    hook.close()
    return recorded


@pytest.mark.parametrize(("workers", "saving"), [("one", ["worker_0"]), ("all", ["worker_0", "worker_1"])])
def test_gradients_are_those_averaged_over_the_processes(tmp_path: Path, workers: str, saving: list[str]):
    trial = tmp_path / "trial"
    recordings = on_ranks(functools.partial(learn, trial, workers), 2, tmp_path)
    (found,) = read_workers(trial)
    assert sorted(found) == saving
    for worker, recording in zip(saving, recordings, strict=False):
        gradients = {key: saved.value for key, saved in found[worker].items() if " gradient/" in key}
        assert gradients == {key: value["averaged"] for key, value in recording.items()}
        assert all(value["averaged"] != value["alone"] for value in recording.values()), "the batches are alike"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_image_folder(tmp_path_factory.mktemp("data") / "train", {"blue": 12, "green": 24})


VALUES = {**SMALL, "epochs": "2", "debug": "true"}


@pytest.fixture
def hosts(tmp_path: Path, data: Path) -> Iterator[list[JobDirectory]]:
    both = [JobDirectory(tmp_path / name) for name in ("first", "second")]
    for job in both:
        job.channel("train", data)
    yield both
    ForkedJob.end_all()


def test_a_job_on_two_hosts_saves_the_loss_of_the_whole_batch_once(hosts: list[JobDirectory]):
    results = run_ranks(hosts, VALUES)
    assert [result.code for result in results] == [0, 0], results
    found = read(hosts[0].base / "output" / "tensors")
    assert not (hosts[1].base / "output" / "tensors").exists()
    losses = [saved.value for key, saved in found.items() if key.startswith("TRAIN") and "CrossEntropyLoss" in key]
    printed = [line.loss for line in map(read_line, results[0].stdout.splitlines()) if isinstance(line, TrainLine)]
    assert len(printed) > 4
    assert losses == pytest.approx(printed, abs=1e-6)


def test_a_host_that_cannot_save_keeps_none_waiting(hosts: list[JobDirectory]):
    (hosts[0].base / "output").mkdir()
    (hosts[0].base / "output" / "tensors").write_text("in the way")
    results = run_ranks(hosts, VALUES)
    assert [result.code for result in results] == [0, 0], results
    assert "training goes on without" in results[0].log
