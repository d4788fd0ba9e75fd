"""`slipway compare` on this machine: real training jobs, one after the other."""

import json
import re
import shutil
import signal
import subprocess
import sys

import pytest

from slipway.options.exit_codes import ExitCode
from tests.slipway.slipway_runs import EPOCHS, descendants, still_running

QUICK = ("--weights", "none", "--image-size", "32", "--export", "false")
TWO_MODELS = ("--models", "test_resnet,test_vit", *QUICK, "--epochs", "2", "--augmentation", "light", "--mixup", "0.2")
RESNET, VIT = "test_resnet, batch-size 8", "test_vit, batch-size 8"
FOLDERS = ("test-resnet-batch-size-8", "test-vit-batch-size-8")


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return tmp_path_factory.mktemp("comparisons") / "colours"


@pytest.fixture(scope="module")
def compared(colours, slipway, directory):
    """Four jobs, of which two must fail: there are only 24 pictures."""
    return slipway("compare", colours, *TWO_MODELS, "--vary", "batch-size=1000,8", "--comparison-dir", directory)


def test_every_job_with_a_result_is_a_row_of_the_table(compared, directory):
    rows = [line for line in compared.stdout.splitlines() if re.match(rf"({RESNET}|{VIT}) ", line)]
    assert [row.startswith(name) for row, name in zip(rows, (RESNET, VIT), strict=True)] == [True, True]
    cells = [row.split() for row in rows]
    assert [row[row.index("M") - 1] for row in cells] == ["0.4", "0.3"]
    sizes = [(directory / folder / "model" / "model.safetensors").stat().st_size for folder in FOLDERS]
    assert [row[row.index("MB") - 1] for row in cells] == [f"{size / 1e6:.1f}" for size in sizes]


def test_comparison_json_holds_the_figures_of_the_jobs(compared, directory):
    content = json.loads((directory / "comparison.json").read_text())
    assert content["varied"] == ["model-type", "batch-size"]
    assert content["warnings"] == []
    assert content["settings"]["image-size"] == "32"
    assert (content["settings"]["recipe"], content["settings"]["mixup"]) == ("modern", "0.2")
    assert "model-type" not in content["settings"]
    assert [result["settings"]["model-type"] for result in content["results"]] == ["test_resnet", "test_vit"]
    for result, folder in zip(content["results"], FOLDERS, strict=True):
        [*epochs, test] = map(json.loads, (directory / folder / "output/data/metrics.jsonl").open())
        assert result["test_accuracy"] == test["test_accuracy"]
        assert [epoch["eval_loss"] for epoch in result["epochs"]] == [epoch["eval_loss"] for epoch in epochs]
        assert result["best_epoch"] == min(epochs, key=lambda epoch: epoch["eval_loss"])["epoch"]
        assert result["training_s"] == pytest.approx(sum(epoch["train_seconds"] for epoch in epochs), abs=0.01)
        assert result["pictures"]["train"] == 24


def test_a_job_that_fails_is_reported_and_the_others_go_on(compared, directory):
    assert compared.returncode == ExitCode.JOB_FAILED
    failed = "test_resnet, batch-size 1000"
    reason = "training failed (exit code 1): hyperparameter batch-size is 1000"
    assert f"[1/4] {failed} failed: {reason}" in compared.stdout
    assert f"Error: without a result: {failed}" in compared.stderr
    content = json.loads((directory / "comparison.json").read_text())
    assert [result["name"] for result in content["results"]] == [RESNET, VIT]
    assert "batch-size is 1000" in content["failures"][failed]


def test_what_has_ended_is_not_trained_again_and_what_was_cut_off_is(compared, colours, directory, slipway, tmp_path):
    earlier = shutil.copytree(directory, tmp_path / "earlier", symlinks=True)
    resnet, vit = (earlier / folder for folder in FOLDERS)
    before = (resnet / "train.log").read_bytes()
    for lost in ("model/model.json", "output/data/metrics.jsonl"):
        (vit / lost).unlink()
    done = slipway("compare", colours, *TWO_MODELS, "--vary", "batch-size=8", "--comparison-dir", earlier)
    assert done.returncode == 0, done.stderr
    assert f"[1/2] {RESNET}: trained already" in done.stdout
    assert f"[2/2] {VIT}: resuming" in done.stdout
    assert "resuming from the checkpoint" in done.stdout
    assert (resnet / "train.log").read_bytes() == before
    figures = [json.loads((place / "comparison.json").read_text())["results"] for place in (directory, earlier)]
    assert figures[0][1]["test_accuracy"] == figures[1][1]["test_accuracy"]


def test_jobs_that_have_ended_are_compared_as_they_are(compared, directory, trained, slipway_here, tmp_path):
    done = slipway_here("compare", directory / FOLDERS[1], trained.directory, "--comparison-dir", tmp_path / "both")
    assert done.returncode == 0, done.stderr
    assert f"notice: epochs differs: 2 in test_vit; {EPOCHS} in test_resnet" in done.stdout
    assert "notice: seed differs: 0 in test_vit; 1 in test_resnet" in done.stdout
    assert "export differs" not in done.stdout, "it changes nothing that is compared"
    assert re.search(r"^(Best: test_|No difference that these \d+ pictures can show)", done.stdout, re.M)
    assert (tmp_path / "both" / "comparison.html").is_file()


def test_with_json_the_standard_output_is_the_comparison_alone(directory, compared, slipway_here, tmp_path):
    jobs = [directory / folder for folder in FOLDERS]
    done = slipway_here("compare", *jobs, "--json", "--comparison-dir", tmp_path / "both")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == json.loads((tmp_path / "both" / "comparison.json").read_text())
    assert [result["name"] for result in json.loads(done.stdout)["results"]] == ["test_resnet", "test_vit"]
    assert re.search(r"^(Best: test_|No difference that these \d+ pictures can show)", done.stderr, re.M)


def test_when_every_job_fails_the_first_reason_is_the_error(colours, slipway, tmp_path):
    done = slipway(
        *("compare", colours, "--models", "resnet18,resnet34", *QUICK, "--batch-size", 1000, "--epochs", 1),
        *("--comparison-dir", tmp_path / "none"),
        cwd=tmp_path,
    )
    assert done.returncode == ExitCode.JOB_FAILED
    assert "Error: every job of the comparison in" in done.stderr
    assert "the first, resnet18: training failed (exit code 1): hyperparameter batch-size is 1000" in done.stderr


def test_ctrl_c_says_how_to_go_on_and_leaves_no_process(colours, tmp_path):
    command = [sys.executable, "-m", "slipway", "compare", colours, "--models", "resnet18,resnet34", *QUICK]
    command += ["--batch-size", "8", "--epochs", "10000", "--checkpoint-every", "10000"]
    command += ["--comparison-dir", tmp_path / "cut"]
    with subprocess.Popen([*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if line.startswith("epoch 1/"):
                break
        started = descendants(process)
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate()
    assert process.returncode == 128 + signal.SIGINT, errors
    assert "Stopped; 0 of 2 jobs have finished." in rest
    assert f"--comparison-dir {tmp_path / 'cut'} continues from there" in rest
    assert "resnet34" not in rest
    assert started
    assert not still_running(started)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--models", "resnet18,ResNet-19"], 1, "ResNet-19.*resnet18"),
        (
            ["--models", "test_vit,resnet18", "--image-size", "40"],
            1,
            "image-size is 40, but test_vit cuts pictures into patches of 16 x 16 pixels: choose a multiple of 16",
        ),
        (
            ["--vary", "lr-schedule=step,cosine", "--warmup-epochs", "1", "--models", "resnet18,test_vit"],
            1,
            "warmup-epochs is 1, but lr-schedule is step",
        ),
        (["--models", "resnet18"], 1, r"there is one variant only \(resnet18\)"),
        (["--models", "resnet18,resnet18"], 1, "model-type has resnet18 more than once"),
        (["--vary", "batch-size"], 1, "'batch-size' names no values to compare"),
        (["--vary", "bath-size=8,16"], 1, "there is no hyperparameter bath-size; did you mean batch-size"),
        (["--vary", "batch-size=8,16", "--batch-size", "8"], 1, "batch-size is 8 for all jobs, and is to be varied"),
        (["--vary", "seed=1,2", "--vary", "seed=3"], 1, "seed is varied twice"),
        (["--comparison-dir", "/proc/comparison"], 1, "the job directory /proc/comparison/resnet50 cannot be written"),
        (["elsewhere"], 2, "Name one data folder or S3 address, or several job directories"),
    ],
)
def test_wrong_arguments_start_nothing(arguments, code, message, colours, slipway_here, tmp_path):
    done = slipway_here("compare", colours, *arguments, cwd=tmp_path)
    assert done.returncode == code
    assert re.search(message, done.stderr), done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_hyperparameters_do_not_go_with_jobs_that_have_ended(trained, slipway_here):
    done = slipway_here("compare", trained.directory, "--epochs", 3)
    assert done.returncode == 2
    assert "omit all hyperparameters" in done.stderr


def test_an_unfinished_job_is_named(trained, slipway_here, tmp_path):
    job = shutil.copytree(trained.directory, tmp_path / "job", symlinks=True)
    (job / "model" / "model.json").unlink()
    done = slipway_here("compare", trained.directory, job, cwd=tmp_path)
    assert done.returncode == 1
    assert f"{job} holds no finished job" in done.stderr
    assert "model.json cannot be read" in done.stderr


def test_a_damaged_job_is_named(trained, slipway_here, tmp_path):
    job = shutil.copytree(trained.directory, tmp_path / "job", symlinks=True)
    (job / "output" / "data" / "metrics.jsonl").write_text("{")
    done = slipway_here("compare", job, cwd=tmp_path)
    assert done.returncode == 1
    assert f"the job in {job} is damaged" in done.stderr


def test_a_comparison_that_cannot_be_written_is_named(trained, slipway_here):
    done = slipway_here("compare", trained.directory, "--comparison-dir", "/proc/comparison")
    assert done.returncode == 1
    assert "/proc/comparison cannot be written" in done.stderr
