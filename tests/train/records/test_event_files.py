"""TensorBoard's event files, read back by TensorBoard."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from container.contract.paths import MlPaths
from container.train.records.event_files import TensorBoardLog, find_event_directory
from tests.train.conftest import SMALL, JobDirectory
from tests.train.forked_job import run_program

EPOCHS = [
    {"epoch": epoch, "eval_loss": 1 / epoch, "eval_accuracy": 50.0 * epoch, "learning_rate": 1e-3} for epoch in (1, 2)
]


def read(directory: Path) -> dict[str, list[tuple[int, float]]]:
    """Steps and values of each series."""
    events = EventAccumulator(str(directory)).Reload()
    return {name: [(one.step, one.value) for one in events.Scalars(name)] for name in events.Tags()["scalars"]}


def configure(job: JobDirectory, fields: object) -> None:
    (job.base / "input" / "config" / "tensorboardoutputconfig.json").write_text(json.dumps(fields))


def test_a_job_that_asks_for_them_leaves_what_it_logged(job: JobDirectory, image_folder: Callable[..., Path]):
    job.channel("train", image_folder("train", red=12, blue=12))
    directory = job.base / "events"
    configure(job, {"LocalPath": str(directory), "S3OutputPath": "s3://bucket/events"})
    result = run_program(job, SMALL)
    assert result.code == 0, result.log
    assert f"TensorBoard's event files are in {directory}\n" in result.stdout
    series = read(directory)
    *epochs, test = job.metrics()
    assert [step for step, _ in series["loss/train"]] == [1, 2, 3, 4, 5, 6]  # 20 pictures, 8 a step, two epochs
    for name, key in (
        ("loss/evaluation", "eval_loss"),
        ("accuracy/evaluation", "eval_accuracy"),
        ("learning_rate", "learning_rate"),
    ):
        assert series[name] == [(epoch["epoch"], pytest.approx(epoch[key])) for epoch in epochs]
    assert series["loss/test"] == [(test["best_epoch"], pytest.approx(test["test_loss"]))]
    assert series["accuracy/test"] == [(test["best_epoch"], pytest.approx(test["test_accuracy"]))]


def test_a_job_that_goes_on_writes_its_earlier_epochs_too(tmp_path: Path):
    log = TensorBoardLog(tmp_path)
    log.after_epoch(EPOCHS[:1])
    log.after_step(4, 0.25)
    log.after_step(5, None)
    log.after_epoch(EPOCHS)
    log.close({})
    assert read(tmp_path) == {
        "loss/train": [(4, 0.25)],
        "loss/evaluation": [(1, 1.0), (2, 0.5)],
        "accuracy/evaluation": [(1, 50.0), (2, 100.0)],
        "learning_rate": [(1, pytest.approx(1e-3)), (2, pytest.approx(1e-3))],
    }


def test_where_event_files_go(job: JobDirectory, caplog: pytest.LogCaptureFixture):
    paths = MlPaths(job.base)
    assert find_event_directory(paths) is None
    configure(job, {"S3OutputPath": "s3://bucket/events"})
    assert find_event_directory(paths) == job.base / "output" / "tensorboard"
    assert caplog.messages == []
    configure(job, [])
    assert find_event_directory(paths) is None
    assert "tensorboardoutputconfig.json cannot be read, training goes on without event files" in caplog.text


def test_a_directory_that_cannot_be_made_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    (tmp_path / "file").touch()
    log = TensorBoardLog(tmp_path / "file" / "events")
    log.after_step(1, 0.5)
    log.after_epoch(EPOCHS)
    log.close({"test_loss": 0.5, "test_accuracy": 90.0, "best_epoch": 1})
    assert len(caplog.messages) == 1
    assert "training goes on without them" in caplog.text


# TensorBoard's own thread ends by the exception that it hands on.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_directory_that_is_taken_away_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    directory = tmp_path / "events"
    log = TensorBoardLog(directory)
    log.after_epoch(EPOCHS[:1])
    shutil.rmtree(directory)
    log.after_epoch(EPOCHS)
    log.after_step(1, 0.5)
    log.close({})
    [warning] = [record for record in caplog.records if record.levelname == "WARNING"]
    assert "event files cannot be written" in warning.message
