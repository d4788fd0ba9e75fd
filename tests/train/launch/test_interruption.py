"""Jobs that are interrupted, and go on."""

import hashlib
import json
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from container import artifact
from tests.train.conftest import SMALL, JobDirectory
from tests.train.forked_job import ForkedJob, run_program
from tests.train.launch.test_launcher import read_until
from tests.train.profiler.test_profiler import check_steps, read_steps

Folder = Callable[..., Path]
FOUR_EPOCHS = {**SMALL, "epochs": "4", "num-workers": "1", "seed": "5"}
AUGMENTED = {
    "augmentation": "trivial",
    "random-erasing": "0.5",
    "mixup": "0.2",
    "cutmix": "1",
    "image-size": "64",
    "progressive-sizes": "0.5",
}


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    yield
    ForkedJob.end_all()


@pytest.fixture
def data(image_folder: Folder) -> Path:
    return image_folder("train", red=24, green=16, blue=16)


def new_job(base: Path, data: Path) -> JobDirectory:
    job = JobDirectory(base)
    job.channel("train", data)
    (job.base / "checkpoints").mkdir()
    return job


def digest(job: JobDirectory) -> str:
    return hashlib.sha256((job.model / "model.safetensors").read_bytes()).hexdigest()


def interrupt(job: JobDirectory, at: str) -> None:
    """Ask a job to end by SIGTERM once its log has come to a line; without launcher and toolkit."""
    forked = ForkedJob(job)
    read_until(forked.log, at)
    forked.signal(signal.SIGTERM)
    code, log = forked.end()
    assert code == 0, log


def test_a_job_that_was_stopped_and_started_again_ends_as_if_it_had_not_been(data: Path, tmp_path: Path):
    settings = {**FOUR_EPOCHS, **AUGMENTED}
    whole = new_job(tmp_path / "whole", data)
    result = run_program(whole, settings)
    assert result.code == 0, result.log
    assert "progressive sizes: 32 pixels from epoch 1, 64 pixels from epoch 3" in result.stdout

    # Within an epoch by SIGTERM; the launcher is told, as SageMaker does it.
    job = new_job(tmp_path / "stopped", data)
    job.hyperparameters(settings)
    process = job.start()
    read_until(process.stdout, "Train Epoch: 2 [16/")
    process.send_signal(signal.SIGTERM)
    _, log = process.communicate()
    assert process.returncode == 0, log
    assert not (job.base / "output" / "failure").exists()
    assert artifact.load(job.model)[1].training["evaluation"]["epoch"] == 1
    assert job.processes() == []

    # In a later epoch by SIGKILL of everything, as when a host is lost.
    forked = ForkedJob(job)
    read_until(forked.log, "Train Epoch: 4 [")
    os.killpg(forked.pid, signal.SIGKILL)
    forked.end()
    (job.base / "model" / "model.json").unlink()  # the host's disk is gone; the checkpoints came back
    (job.base / "model" / "model.safetensors").unlink()

    # And a damaged newest checkpoint is passed over.
    newest = max((job.base / "checkpoints").glob("*.pt"))
    newest.write_bytes(newest.read_bytes()[:-100])
    result = run_program(job, settings)
    assert result.code == 0, result.log
    assert f"skipping the damaged checkpoint {newest.name}" in result.stdout
    assert "resuming from the checkpoint of epoch" in result.stdout
    assert "starts from" not in result.stdout

    assert digest(job) == digest(whole)
    for ours, theirs in zip(job.metrics(), whole.metrics(), strict=True):
        for name in (
            "epoch",
            "train_loss",
            "eval_loss",
            "eval_accuracy",
            "learning_rate",
            "best_epoch",
            "test_accuracy",
        ):
            assert ours.get(name) == theirs.get(name)


def test_a_job_stopped_in_its_first_epoch_leaves_the_model_as_far_as_it_came(data: Path, tmp_path: Path):
    job = JobDirectory(tmp_path / "job")  # without a checkpoint directory
    job.channel("train", data)
    job.hyperparameters(FOUR_EPOCHS)
    interrupt(job, "Train Epoch: 1 [8/")
    assert artifact.load(job.model)[1].training["evaluation"] is None
    assert not (job.base / "checkpoints").exists()
    steps = read_steps(job.data / "profile")
    check_steps(steps)
    assert len(steps) >= 1
    facts = json.loads((job.data / "profile" / "profile.json").read_text())
    assert steps[-1]["start"] + steps[-1]["wall"] <= facts["ended"] + 0.01
    assert [path.name for path in job.data.glob("*.html")] == ["profiler-report.html"]


def test_checkpoints_of_another_job_are_refused_by_name(data: Path, tmp_path: Path):
    job = new_job(tmp_path / "job", data)
    assert run_program(job, {**SMALL, "epochs": "1"}).code == 0
    result = run_program(job, {**SMALL, "epochs": "2", "opt-learning-rate": "0.5"})
    assert result.code == 1
    assert "are another job's: opt-learning-rate was '0.001' and is '0.5'" in job.failure
    # More epochs are no other job.
    result = run_program(job, {**SMALL, "epochs": "2"})
    assert result.code == 0, result.log
    assert len(job.metrics()) == 3


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
@pytest.mark.parametrize(("directory", "size_mb"), [("model", 20), ("checkpoints", 60)])
def test_a_full_disk(data: Path, tmp_path: Path, directory: str, size_mb: int):
    """A model is 45 MB, a checkpoint three times that: a full disk ends the job at the model, not at a checkpoint."""
    job = new_job(tmp_path / "job", data)
    (job.base / directory).mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size_mb}m", "tmpfs", job.base / directory], check=True)
    try:
        result = run_program(job, {**SMALL, "epochs": "1"})
        left = list((job.base / directory).iterdir())
    finally:
        subprocess.run(["umount", job.base / directory], check=True)
    assert left == []  # no half-written file
    if directory == "model":
        assert result.code == 1
        assert f"the model cannot be written to {job.model}: the disk is full" in job.failure
        assert re.search(r"\(\d+ MB free, about 43 MB needed\)", job.failure)
        assert "give the job a larger volume" in job.failure
    else:
        assert result.code == 0, result.log
        assert "the checkpoint cannot be written" in result.stdout
        assert re.search(r"the disk is full \(\d+ MB free, about 1[67]\d MB needed\)", result.stdout)
        assert "training goes on without it" in result.stdout
        assert (job.model / "model.json").exists()
