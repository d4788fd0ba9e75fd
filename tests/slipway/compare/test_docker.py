"""`slipway compare --instance-type local`, without the containers: tests/images has them."""

import re
import shutil
import tarfile

import pytest

from slipway.compare.docker import run_in_docker
from slipway.compare.variants import make_variants
from slipway.errors import RemoteJobError
from slipway.local import Trained

VARIANTS = make_variants({"model-type": ["resnet18", "resnet34", "resnet50"]}, {})


@pytest.fixture
def leave(trained):
    """Leaves in a folder what a job in Docker leaves there."""

    def run(folder, *, stopped=False):
        folder.mkdir(parents=True)
        model, output = folder / "model.tar.gz", folder / "output.tar.gz"
        shutil.copy(trained.archive, model)
        with tarfile.open(output, "w:gz") as tar:
            tar.add(trained.directory / "output" / "data", "data")
        return Trained(model=model, output=output, stopped=stopped)

    return run


def test_a_job_that_fails_is_reported_and_the_others_are_compared(leave, tmp_path):
    def train(variant, folder):
        if variant.slug == "resnet34":
            raise RemoteJobError("the loss is nan")
        return leave(folder)

    said: list[str] = []
    run = run_in_docker(VARIANTS, train, tmp_path, place="1 x local", say=said.append)
    assert [(one.name, one.job) for one in run.comparison.results] == [
        ("resnet18", str(tmp_path / "resnet18")),
        ("resnet50", str(tmp_path / "resnet50")),
    ]
    assert run.comparison.results[0].test_accuracy is not None
    assert run.comparison.failures == {"resnet34": "the loss is nan"}
    assert "[2/3] resnet34 failed: the loss is nan" in said


def test_a_job_that_left_no_model_is_a_failure(leave, tmp_path):
    def train(variant, folder):
        return leave(folder) if variant.slug == "resnet18" else Trained(model=None, output=folder / "output.tar.gz")

    run = run_in_docker(VARIANTS[:2], train, tmp_path, place="1 x local", say=lambda _: None)
    assert run.comparison.failures == {"resnet34": "it left no model"}


def test_when_every_job_fails_the_first_reason_is_the_error(tmp_path):
    def train(_variant, _folder):
        raise RemoteJobError("the loss is nan")

    with pytest.raises(RemoteJobError, match=r"every job of the comparison in .* the first, resnet18: the loss is nan"):
        run_in_docker(VARIANTS, train, tmp_path, place="1 x local", say=lambda _: None)


def test_ctrl_c_starts_no_further_job(leave, tmp_path):
    started = []

    def train(variant, folder):
        started.append(variant.slug)
        return leave(folder, stopped=variant.slug == "resnet34")

    run = run_in_docker(VARIANTS, train, tmp_path, place="1 x local", say=lambda _: None)
    assert (started, run.stopped_by) == (["resnet18", "resnet34"], 2)
    assert [one.name for one in run.comparison.results] == ["resnet18"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--spot",), 2, "local mode runs one job after another; it has no --spot"),
        (("--max-parallel", 3), 2, "it has no --max-parallel"),
        (("--dry-run",), 2, "--dry-run shows requests to AWS"),
        (("--comparison-dir", "full"), 1, r"is not empty \(file\).*; give another --comparison-dir"),
        (("--image", "slipway:none"), 1, "slipway:none|Docker"),
    ],
)
def test_what_local_mode_has_not_is_said(arguments, code, message, colours, slipway_here, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    done = slipway_here("compare", colours, "--instance-type", "local", *arguments, cwd=tmp_path)
    assert done.returncode == code
    assert re.search(message, done.stderr), done.stderr
