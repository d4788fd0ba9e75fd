"""`slipway train` through the real launcher and the real toolkit."""

import json
import re
import shutil
import signal
import subprocess
import sys
import tarfile

import pytest

from tests.slipway.slipway_runs import EPOCHS, SMALL, descendants, still_running


def test_it_says_how_good_the_model_is_and_where_everything_is(trained):
    assert re.search(r"Test accuracy [\d.]+ % \(\d of 9 pictures\)", trained.done.stdout)
    for name in ("output/model.tar.gz", "output/data/training-report.html", "train.log"):
        assert f"{trained.directory}/{name}" in trained.done.stdout
        assert (trained.directory / name).is_file()
    assert f"Next: slipway serve {trained.directory}" in trained.done.stdout


def test_without_a_terminal_there_is_a_plain_line_for_each_epoch(trained):
    epochs = re.findall(
        rf"^epoch (\d)/{EPOCHS}  loss [\d.]+  evaluation loss [\d.]+  accuracy [\d.]+ %$", trained.done.stdout, re.M
    )
    assert epochs == [str(1 + number) for number in range(EPOCHS)]
    assert "\x1b" not in trained.done.stdout
    assert "sagemaker-training-toolkit" not in trained.done.stdout


def test_the_whole_output_is_in_the_log(trained):
    log = (trained.directory / "train.log").read_text()
    assert "sagemaker-training-toolkit" in log
    assert "EVAL: Average loss: " in log


def test_the_archive_holds_the_model_directory_flat(trained):
    with tarfile.open(trained.archive) as tar:
        assert {"model.json", "model.safetensors"} <= set(tar.getnames())
        card = json.load(tar.extractfile("model.json"))
    assert card["classes"] == ["blue", "green", "red"]


def test_a_job_directory_goes_on_from_its_checkpoints_also_after_a_refused_change(trained, colours, slipway, tmp_path):
    job = shutil.copytree(trained.directory, tmp_path / "job", symlinks=True)
    refused = slipway("train", colours, "--job-dir", job, "--epochs", EPOCHS + 1, "--opt-learning-rate", 0.5)
    assert refused.returncode == 4
    assert "opt-learning-rate" in refused.stderr
    done = slipway("train", colours, "--job-dir", job, "--epochs", EPOCHS + 1, "--export", "false")
    assert done.returncode == 0, done.stderr
    assert f"Resuming the job in {job}" in done.stdout
    assert "resuming from the checkpoint" in done.stdout
    assert re.findall(rf"^epoch (\d)/{EPOCHS + 1}", done.stdout, re.M) == [str(EPOCHS + 1)]


def test_another_data_set_does_not_overwrite_a_job(trained, colours, slipway):
    before = trained.archive.read_bytes()
    done = slipway("train", "--train", colours / "train", "--job-dir", trained.directory)
    assert done.returncode == 1
    assert "has other data" in done.stderr
    assert trained.archive.read_bytes() == before


def test_ctrl_c_keeps_the_best_model_so_far_and_leaves_no_process(colours, tmp_path):
    command = [sys.executable, "-m", "slipway", "train", colours, "--job-dir", tmp_path / "job", *SMALL]
    command += ["--epochs", "10000", "--checkpoint-every", "10000"]
    with subprocess.Popen([*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if line.startswith("epoch 1/"):
                break
        started = descendants(process)
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate()
    assert process.returncode == 128 + signal.SIGINT, errors
    assert "Stopped. The best model so far is" in rest
    assert f"--job-dir {tmp_path / 'job'} resumes from the last checkpoint" in rest
    with tarfile.open(tmp_path / "job" / "output" / "model.tar.gz") as tar:
        assert "model.json" in tar.getnames()
    assert started
    assert not still_running(started)


def _run(slipway, tmp_path, *arguments):
    """A job that must fail with one paragraph."""
    done = slipway("train", "--job-dir", tmp_path / "job", *SMALL, "--epochs", 1, *arguments)
    assert done.returncode == 4
    assert "Traceback" not in done.stdout + done.stderr
    assert done.stderr.startswith("Error: ")
    return done.stderr


def test_a_class_folder_without_pictures_is_named_where_the_user_has_it(colours, slipway, tmp_path):
    data = shutil.copytree(colours, tmp_path / "data")
    (data / "train" / "yellow").mkdir()
    error = _run(slipway, tmp_path, data)
    assert "training failed (exit code 1): class folder without a picture" in error
    assert f"({data / 'train'}): yellow" in error
    assert f"The whole log is {tmp_path / 'job' / 'train.log'}" in error


def test_validation_classes_that_train_lacks_are_named(colours, slipway, tmp_path):
    data = shutil.copytree(colours, tmp_path / "data")
    (data / "valid" / "red").rename(data / "valid" / "crimson")
    assert "has class folders that train lacks: crimson" in _run(slipway, tmp_path, data)


def test_one_class_alone_is_refused(colours, slipway, tmp_path):
    (tmp_path / "data").mkdir()
    shutil.copytree(colours / "train" / "red", tmp_path / "data" / "red")
    error = _run(slipway, tmp_path, "--train", tmp_path / "data")
    assert "has 1 class folder (red); a classifier needs at least two" in error


def test_a_batch_larger_than_the_data_is_refused(colours, slipway, tmp_path):
    error = _run(slipway, tmp_path, colours, "--batch-size", 1000)
    assert "batch-size" in error


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--epoch", "3"], 2, "No such option '--epoch'.*--epochs"),
        (["--batch-size", "-1"], 1, r"hyperparameter batch-size is '-1'; it must be a whole number from 0 to"),
        (["--model-type", "ResNet-18"], 1, "ResNet-18.*resnet18"),
        (["--opt-learning-rate", "fast"], 1, "opt-learning-rate is 'fast'; it must be a number"),
        (["--weights", "resnet50.pth"], 1, "--weights is resnet50.pth, and there is no such file"),
        (["--validation", "nowhere"], 1, "there is no folder nowhere"),
        (["--job-dir", "/proc/job"], 1, "the job directory /proc/job cannot be written"),
    ],
)
def test_wrong_arguments_start_nothing(arguments, code, message, colours, slipway_here, tmp_path):
    done = slipway_here("train", colours, *arguments, cwd=tmp_path)
    assert done.returncode == code
    assert re.search(message, done.stderr), done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_folder_without_train_pictures_says_how_to_name_them(colours, slipway, tmp_path):
    done = slipway("train", colours / "train", cwd=tmp_path)
    assert done.returncode == 1
    assert f"there is no train folder in {colours / 'train'}; its folders are: blue, green, red" in done.stderr
    assert f"use --train {colours / 'train'}" in done.stderr


def test_no_data_at_all_is_wrong_usage(slipway):
    done = slipway("train")
    assert done.returncode == 2
    assert "Name the data" in done.stderr


def test_two_validation_folders_are_ambiguous(slipway, tmp_path):
    for name in ("train", "valid", "val"):
        (tmp_path / name).mkdir()
    done = slipway("train", tmp_path)
    assert done.returncode == 1
    assert "has valid/ and val/, which both stand for the validation split" in done.stderr
