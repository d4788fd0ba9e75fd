"""The job directory: SageMaker's layout, taken up again only for the same data."""

import json
from pathlib import Path

import pytest

from slipway.errors import JobError
from slipway.processes.job import default_job_directory, open_job, require_installed


@pytest.fixture
def channels(colours) -> dict[str, Path]:
    return {"train": colours / "train", "validation": colours / "valid"}


def test_the_layout_is_that_of_opt_ml(channels, tmp_path):
    weights = tmp_path / "resnet18.pth"
    weights.write_bytes(b"tensors")
    job = open_job(tmp_path / "job", channels | {"weights": weights}, {"epochs": "3"})
    configuration = job.path / "input" / "config"
    assert json.loads((configuration / "hyperparameters.json").read_text()) == {"epochs": "3"}
    assert json.loads((configuration / "inputdataconfig.json").read_text()).keys() == {"train", "validation", "weights"}
    assert json.loads((configuration / "resourceconfig.json").read_text())["hosts"] == ["algo-1"]
    assert (job.path / "input" / "data" / "train").resolve() == channels["train"].resolve()
    assert (job.path / "input" / "data" / "weights" / "resnet18.pth").read_bytes() == b"tensors"
    assert (job.path / "checkpoints").is_dir()


def test_an_earlier_job_keeps_its_hyperparameters_but_for_the_new_ones(channels, tmp_path):
    open_job(tmp_path, channels, {"epochs": "3", "batch-size": "8"})
    job = open_job(tmp_path, channels, {"epochs": "5"})
    assert job.hyperparameters() == {"epochs": "5", "batch-size": "8"}


def test_what_is_refused_leaves_an_earlier_job_as_it_was(channels, tmp_path):
    open_job(tmp_path, channels, {"epochs": "3"})
    job = open_job(tmp_path, channels, {"opt-learning-rate": "5"})
    job.restore_hyperparameters()
    assert job.hyperparameters() == {"epochs": "3"}


def test_a_second_start_does_not_change_a_running_job(channels, tmp_path):
    job = open_job(tmp_path, channels, {"epochs": "3"})
    with job.locked_log(), pytest.raises(JobError, match="another process is running the job"):
        open_job(tmp_path, channels, {"epochs": "5"})
    assert job.hyperparameters() == {"epochs": "3"}


def test_an_earlier_job_on_other_data_is_refused(channels, colours, tmp_path):
    open_job(tmp_path, channels, {})
    with pytest.raises(JobError, match=r"has other data: its train channel is .*/train, and is .*/test now"):
        open_job(tmp_path, channels | {"train": colours / "test"}, {})
    with pytest.raises(JobError, match=r"its validation channel is .*/valid, and is missing now"):
        open_job(tmp_path, {"train": channels["train"]}, {})


def test_other_weights_are_other_data(channels, tmp_path):
    for name in ("a.pth", "b.pth"):
        (tmp_path / name).write_bytes(b"tensors")
    open_job(tmp_path / "job", channels | {"weights": tmp_path / "a.pth"}, {})
    open_job(tmp_path / "job", channels | {"weights": tmp_path / "a.pth"}, {})
    with pytest.raises(JobError, match="its weights channel is"):
        open_job(tmp_path / "job", channels | {"weights": tmp_path / "b.pth"}, {})


def test_a_folder_with_something_else_is_left_alone(channels, tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(JobError, match=r"holds something other than a job \(thesis.tex\)"):
        open_job(tmp_path, channels, {})
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_in_the_way_is_named(channels, tmp_path):
    (tmp_path / "job").touch()
    with pytest.raises(JobError, match="is a file"):
        open_job(tmp_path / "job", channels, {})


def test_a_folder_that_cannot_be_written_is_named(channels):
    with pytest.raises(JobError, match="the job directory /proc/job cannot be written"):
        open_job(Path("/proc/job"), channels, {})


def test_damaged_hyperparameters_are_named(channels, tmp_path):
    job = open_job(tmp_path, channels, {})
    job.hyperparameters_file.write_text("{")
    with pytest.raises(JobError, match=r"hyperparameters\.json cannot be read"):
        open_job(tmp_path, channels, {})


def test_two_processes_never_run_one_job(channels, tmp_path):
    job = open_job(tmp_path, channels, {})
    with job.locked_log(), pytest.raises(JobError, match="another process is running the job"), job.locked_log():
        pass


def test_default_names_do_not_collide(tmp_path):
    first = default_job_directory("resnet18", tmp_path)
    first.mkdir()
    second = default_job_directory("resnet18", tmp_path)
    assert first != second
    assert second.name.endswith(("resnet18", "resnet18-2"))


def test_a_missing_package_is_named_with_the_way_to_install_it():
    with pytest.raises(JobError, match=r"no_such_package cannot be imported.*pip install 'slipway\[local\]'"):
        require_installed("json", "no_such_package")
