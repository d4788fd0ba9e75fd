"""What may go wrong on a machine while a job trains, and what becomes of the job."""

import ctypes
import hashlib
import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from container.train.checkpoints import checkpoint
from container.train.checkpoints.checkpoint import read_newest_checkpoint
from container.train.launch import stopping
from container.train.loop import prepare
from tests.conftest import picture, write_image_folder
from tests.train.conftest import TINY, JobDirectory
from tests.train.forked_job import ForkedJob, run_forked
from tests.train.launch.test_launcher import read_until

SETTINGS = {**TINY, "epochs": "3", "num-workers": "1", "use-cuda": "false", "seed": "5"}
AFTER_EVERY_STEP = "0.00001"
STEPS, EVALUATED = 6, 3
"""Batches of an epoch."""
HANGS = "this does not end"

Make = Callable[..., JobDirectory]


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    yield
    ForkedJob.end_all()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pictures")
    write_image_folder(root / "train", {"red": 24, "green": 12, "blue": 12})
    for name in ("validation", "test"):
        write_image_folder(root / name, {"red": 8, "green": 8, "blue": 8})
    return root


def new_job(base: Path, pictures: Path, **settings: str) -> JobDirectory:
    job = JobDirectory(base)
    for name in ("train", "validation", "test"):
        job.channel(name, pictures / name)
    job.hyperparameters({**SETTINGS, **{name.replace("_", "-"): value for name, value in settings.items()}})
    (base / "checkpoints").mkdir()
    return job


@pytest.fixture
def make(tmp_path: Path, pictures: Path) -> Make:
    """A job on pictures of its own, which a test may change."""
    return lambda **settings: new_job(tmp_path / "job", shutil.copytree(pictures, tmp_path / "data"), **settings)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, pictures: Path) -> str:
    """Of the model of a job in which nothing goes wrong."""
    job = new_job(tmp_path_factory.mktemp("undisturbed") / "job", pictures)
    code, log = run_forked(job)
    assert code == 0, log
    return digest(job)


def digest(job: JobDirectory) -> str:
    return hashlib.sha256((job.model / "model.safetensors").read_bytes()).hexdigest()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@contextmanager
def stopped_at(forked: ForkedJob, line: str) -> Iterator[None]:
    """It trains on when its circumstances have changed."""
    read_until(forked.log, line)
    forked.signal(signal.SIGSTOP)
    yield
    forked.signal(signal.SIGCONT)


@pytest.mark.parametrize("line", ["Train Epoch: 1 [8/", "Train Epoch: 1 [48/"])
def test_a_killed_worker_changes_nothing(make: Make, undisturbed: str, line: str):
    job = make()
    forked = ForkedJob(job)
    with stopped_at(forked, line):
        for worker in forked.workers():
            worker.kill()
    code, log = forked.end()
    assert code == 0, log
    assert "; restarted from the same batch" in log
    assert digest(job) == undisturbed


def test_vanished_pictures_are_made_up_for_and_new_ones_wait_for_the_next_job(make: Make):
    job = make(cache="off")
    data = job.base / "input" / "data"
    forked = ForkedJob(job)
    with stopped_at(forked, "Train Epoch: 1 [8/"):
        for name in ("train", "validation", "test"):
            (data / name / "red" / "003.png").unlink()
            picture("new", (200, 40, 40)).save(data / name / "red" / "new.png")
    code, log = forked.end()
    assert code == 0, log
    gone = "003.png cannot be opened: No such file or directory, although it could be when the job began"
    assert f"{data}/train/red/{gone}: another picture of its class replaces it" in log
    assert f"{data}/validation/red/{gone}: the evaluation omits it" in log
    assert "neither the worst mistakes nor the predictions of the test pictures are kept" in log
    assert "new.png" not in log
    assert [record.get("epoch") for record in job.metrics()] == [1, 2, 3, None]
    assert "/23 (" in next(line for line in log.splitlines() if line.startswith("TEST"))


def test_what_is_cached_may_vanish(make: Make, undisturbed: str):
    job = make(cache="auto")
    forked = ForkedJob(job)
    with stopped_at(forked, "Train Epoch: 1 [8/"):
        for name in ("train", "validation", "test"):
            shutil.rmtree((job.base / "input" / "data" / name).resolve())
    code, log = forked.end()
    assert code == 0, log
    assert "No such file" not in log.partition("TEST")[0]
    assert digest(job) == undisturbed


@pytest.mark.parametrize(("channel", "message"), [("train", "others of its class"), ("validation", "to evaluate on")])
def test_where_all_pictures_vanish_the_job_says_so(make: Make, channel: str, message: str):
    job = make(cache="off")
    forked = ForkedJob(job)
    with stopped_at(forked, "Train Epoch: 1 [8/"):
        shutil.rmtree((job.base / "input" / "data" / channel).resolve())
    assert forked.end()[0] == 1
    assert message in job.failure
    assert "keep the channel unchanged while a job runs" in job.failure
    assert "Traceback" not in job.failure


def test_a_loss_that_is_not_finite_names_the_batch_and_leaves_the_checkpoint_before(make: Make):
    job = make(opt_learning_rate="10", opt_weight_decay="10", epochs="9", checkpoint_minutes=AFTER_EVERY_STEP)
    assert run_forked(job)[0] == 1
    found = re.match(
        r"the training loss is (nan|inf) at batch (\d+) of its epoch \(pictures (\d{3}\.png, ){7}\d{3}\.png\): "
        r"training diverged\. Lower opt-learning-rate",
        job.failure,
    )
    assert found, job.failure
    assert f"The last checkpoint in {job.base / 'checkpoints'} is from before" in job.failure
    content = read_newest_checkpoint(job.base / "checkpoints")
    assert content is not None
    assert all(value.isfinite().all() for value in content["model"].values())

    # Nothing about it was chance.
    (job.base / "output" / "failure").unlink()
    assert run_forked(job)[0] == 1
    assert job.failure.startswith(found[0])

    (job.base / "output" / "failure").unlink()
    job.hyperparameters({**SETTINGS, "epochs": "9", "opt-weight-decay": "10", "opt-learning-rate": "1"})
    assert run_forked(job)[0] == 1
    assert "are another job's: opt-learning-rate was '10.0' and is '1.0'. Use an empty checkpoint" in job.failure


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_a_disk_that_fills_up_leaves_the_checkpoints_that_are_there(make: Make, undisturbed: str):
    job = make()
    checkpoints = job.base / "checkpoints"
    # Room for two, each of 6 MB.
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=14m", "tmpfs", checkpoints], check=True)
    try:
        code, log = run_forked(job)
        assert code == 0, log
        assert f"the checkpoint cannot be written to {checkpoints}: the disk is full" in log
        assert len(names(checkpoints)) == 4
        shutil.rmtree(job.model)
        again, resumed = run_forked(job)
    finally:
        subprocess.run(["umount", checkpoints], check=True)
    assert again == 0, resumed
    assert "resuming from the checkpoint of epoch 3, step 0" in resumed
    assert digest(job) == undisturbed


def announce() -> None:
    sys.stdout.write(f"{HANGS}\n")
    sys.stdout.flush()


def hang() -> None:
    """Take a mutex that is taken; said when this thread waits for it, deaf to signals."""
    mutex = ctypes.create_string_buffer(64)

    def say() -> None:
        while mutex.raw[0] < 2:  # taken, and awaited
            os.sched_yield()
        announce()

    threading.Thread(target=say).start()
    for _ in range(2):
        ctypes.CDLL(None).pthread_mutex_lock(mutex)


@dataclass(frozen=True)
class LongStep:
    """An operation that hears of no signal, as the backward pass of a very large batch."""

    at: int
    """Batches of training and evaluation, counted from 1."""

    def __call__(self) -> None:
        stopping.GRACE_S = 0
        prepare._LAST_WRITE_S = 600  # the checkpoint that is being written gets there
        forward, batches = nn.CrossEntropyLoss.forward, itertools.count(1)

        def long(*arguments: Any) -> torch.Tensor:
            if next(batches) == self.at:
                hang()
            return forward(*arguments)

        nn.CrossEntropyLoss.forward = long  # type: ignore[method-assign]


@pytest.mark.parametrize(
    ("at", "code", "files"), [(2, 143, []), (STEPS + EVALUATED + 2, 0, ["model.json", "model.safetensors"])]
)
def test_a_job_that_is_asked_to_end_does_not_wait_for_a_long_step(
    make: Make, undisturbed: str, at: int, code: int, files: list[str]
):
    job = make(checkpoint_minutes=AFTER_EVERY_STEP)
    forked = ForkedJob(job, LongStep(at))
    read_until(forked.log, HANGS)
    forked.signal(signal.SIGTERM)
    ended, log = forked.end()
    assert ended == code, log
    assert "the job exits within it, and will resume from its last checkpoint" in log
    assert names(job.model) == files
    left = names(job.base / "checkpoints")
    assert left
    assert left == sorted(f"{Path(name).stem}{suffix}" for name in left[::2] for suffix in (".json", ".pt"))

    job.hyperparameters(SETTINGS)
    ended, log = run_forked(job)
    assert ended == 0, log
    assert "resuming from the checkpoint" in log
    assert digest(job) == undisturbed


def write_for_ever() -> None:
    """The disk of the checkpoints hangs."""
    stopping.GRACE_S = prepare._LAST_WRITE_S = 0

    def half(path: Path, _write: Callable[[Path], object]) -> None:
        path.with_name(f".{path.name}.0123abcd").write_bytes(b"half")
        announce()
        threading.Event().wait()

    checkpoint.write_atomically = half  # type: ignore[attr-defined]


def test_a_job_that_is_asked_to_end_does_not_wait_for_a_disk_that_hangs(make: Make):
    job = make(checkpoint_minutes=AFTER_EVERY_STEP)
    forked = ForkedJob(job, write_for_ever)
    read_until(forked.log, HANGS)
    forked.signal(signal.SIGTERM)
    code, log = forked.end()
    assert code == 143, log
    assert names(job.model) == names(job.base / "checkpoints") == []
