"""Where checkpoints go, alone and in a tuning job."""

import json

import pytest

from container.contract.paths import MlPaths
from container.train.checkpoints.checkpoint_directory import checkpoint_directory


@pytest.fixture
def paths(tmp_path, monkeypatch):
    monkeypatch.setenv("TRAINING_JOB_NAME", "dogs-007")
    (tmp_path / "input" / "config").mkdir(parents=True)
    (tmp_path / "checkpoints").mkdir()
    return MlPaths(tmp_path)


def hyperparameters(paths, **values):
    (paths.config / "hyperparameters.json").write_text(json.dumps(values))


def test_a_job_by_itself_uses_the_directory_as_it_is(paths):
    assert checkpoint_directory(paths) == paths.checkpoints
    hyperparameters(paths, epochs="2")
    assert checkpoint_directory(paths) == paths.checkpoints


def test_jobs_of_a_tuning_job_do_not_find_each_others(paths):
    hyperparameters(paths, epochs="2", _tuning_objective_metric="eval_loss_epoch")
    assert checkpoint_directory(paths) == paths.checkpoints / "dogs-007"
    assert checkpoint_directory(paths).is_dir()


def test_without_checkpoints_none_are_begun(paths):
    hyperparameters(paths, _tuning_objective_metric="eval_loss_epoch")
    paths.checkpoints.rmdir()
    assert not checkpoint_directory(paths).exists()
