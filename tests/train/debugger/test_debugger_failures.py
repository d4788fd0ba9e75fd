"""A trial that cannot be written, or is interrupted: training goes on, and so do the steps."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from container.train.debugger.hook import Hook
from container.train.debugger.modes import ModeKeys
from container.train.debugger.save_config import SaveConfig
from tests.train.conftest import SMALL, JobDirectory
from tests.train.debugger.trial_reader import read
from tests.train.forked_job import run_program
from tests.train.launch.test_interruption import interrupt


def written_step(trial: Path, step: int) -> Path:
    """Its event file, when the thread that writes behind training has written it."""
    index = trial / "index" / f"{0:09d}" / f"{step:012d}_worker_0.json"
    give_up_at = time.monotonic() + 60
    while not index.exists():
        assert time.monotonic() < give_up_at, "it is not written"
        time.sleep(0.01)
    return events_of(trial, step)


def events_of(trial: Path, step: int) -> Path:
    return trial / "events" / f"{step:012d}" / f"{step:012d}_worker_0.tfevents"


@pytest.fixture
def train(tmp_path: Path) -> Callable[[int], Hook]:
    """`train(3)` takes three steps more and returns the hook."""
    torch.manual_seed(0)
    model = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    hook = Hook(tmp_path / "trial", save_config=SaveConfig(save_interval=1), include_collections=["weights"])
    hook.register_module(model)
    hook.set_mode(ModeKeys.TRAIN)

    def steps(count: int) -> Hook:
        for _ in range(count):
            model(torch.randn(5, 4)).sum().backward()
            optimizer.step()
            optimizer.zero_grad()
        return hook

    return steps


def test_a_directory_that_turns_into_a_file_is_one_warning(
    tmp_path: Path, train: Callable[[int], Hook], caplog: pytest.LogCaptureFixture
):
    trial = tmp_path / "trial"
    train(2)  # of which the first is handed over to be written
    written_step(trial, 0)
    shutil.rmtree(trial)
    trial.write_text("in the way")
    train(3).close()
    assert caplog.text.count("training goes on without it") == 1


def test_a_directory_that_is_removed_holds_the_steps_after_that(tmp_path: Path, train: Callable[[int], Hook]):
    trial = tmp_path / "trial"
    train(2)
    written_step(trial, 0)
    shutil.rmtree(trial)
    train(3).close()
    assert [key for key in read(trial) if key.endswith("weight")] == [
        f"TRAIN {step} Linear_weight" for step in range(1, 5)
    ]


def test_a_job_whose_disk_is_full_in_the_middle_keeps_what_it_saved(
    job: JobDirectory, image_folder: Callable[..., Path]
):
    trial = job.base / "output" / "tensors"
    full = events_of(trial, 2).with_suffix(".tfevents.tmp")
    full.parent.mkdir(parents=True)
    full.symlink_to("/dev/full")  # the file of which the third step's events are made
    job.channel("train", image_folder("train", red=20, blue=20))
    done = run_program(job, {**SMALL, "epochs": "1", "debug": "true"})
    assert done.code == 0, done.log
    assert done.log.count("training goes on without it: OSError: [Errno 28] No space left on device") == 1
    assert (job.model / "model.json").exists()
    assert {saved.step for saved in read(trial).values()} == {0, 1}


def test_the_steps_of_an_interrupted_job_go_on_where_it_was(job: JobDirectory, image_folder: Callable[..., Path]):
    trial = job.base / "output" / "tensors"
    job.channel("train", image_folder("train", red=20, blue=20))
    (job.base / "checkpoints").mkdir()
    values = {**SMALL, "epochs": "3", "debug": "true"}
    job.hyperparameters(values)
    interrupt(job, "Train Epoch: 2 [8/")
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in trial.rglob("*.tfevents")}
    assert len(before) > 2
    done = run_program(job, values)
    assert done.code == 0, done.log
    assert "resuming from the checkpoint of epoch 2" in done.log
    assert "training goes on without it" not in done.log
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in before} == before
    losses = {key: saved.step for key, saved in read(trial).items() if key.endswith(" CrossEntropyLoss_output_0")}
    assert sorted(losses.values()) == list(range(len(losses)))
    counts = {mode: len([key for key in losses if key.startswith(mode)]) for mode in ("TRAIN", "EVAL")}
    assert {key.rpartition(" ")[0] for key in losses} == {
        f"{mode} {step}" for mode, count in counts.items() for step in range(count)
    }
    assert counts["TRAIN"] % 3 == 0
    assert counts["EVAL"] >= 3, "an evaluation that was interrupted is done again"
