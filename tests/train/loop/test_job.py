"""Jobs through the real launcher and the real sagemaker-training toolkit; or through the training program alone, where
nothing is asked of those two."""

import csv
import ctypes
import json
import os
import re
import shutil
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from PIL import Image

from container import artifact
from container.picture import read_picture
from tests.conftest import picture, write_image_folder
from tests.nvml import OLD_DRIVER, build_nvml_stub
from tests.train.conftest import SMALL, JobDirectory, Result
from tests.train.forked_job import Variables, run_program


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three colours, unevenly many, with everything a folder of pictures may hold."""
    root = tmp_path_factory.mktemp("data")
    write_image_folder(root / "train", {"blue": 12, "green": 24, "red": 36})
    write_image_folder(root / "validation", {"blue": 6, "green": 6, "red": 6})
    write_image_folder(root / "test", {"blue": 5, "green": 5, "red": 5})
    odd = root / "train" / "red"
    square = picture("odd", (200, 40, 40))
    square.convert("CMYK").save(odd / "cmyk.jpg")
    square.quantize(16).save(odd / "palette.png")
    square.save(odd / "animated.gif", save_all=True, append_images=[square])
    (odd / "empty.jpg").write_bytes(b"")
    (odd / "text.png").write_text("no picture")
    square.save(odd / "whole.jpg")
    (odd / "truncated.jpg").write_bytes((odd / "whole.jpg").read_bytes()[:500])
    Image.new("1", (20_000, 20_000)).save(odd / "huge.png")
    return root


@pytest.fixture(scope="module")
def finished(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[JobDirectory, Result]:
    """One job of the seed project's form, as it would be sent to SageMaker."""
    job = JobDirectory(tmp_path_factory.mktemp("jobs") / "seed")
    for name in ("train", "validation", "test"):
        job.channel(name, data / name)
    result = job.run(
        {
            "epochs": "4",
            "batch-size": "16",
            "opt-learning-rate": "1e-3",
            "opt-weight-decay": "0.0001",
            "lr-sched-step-size": "2",
            "lr-sched-gamma": "0.5",
            "early-stopping-patience": "5",
            "model-type": '"resnet18"',
            "image-size": "64",
            "weights": "none",
            "export": "false",
            "_tuning_objective_metric": "eval_loss_epoch",
            "sagemaker_job_name": '"dogs"',
        }
    )
    assert result.code == 0, result.log
    return job, result


def test_the_log_has_the_metric_lines(finished: tuple[JobDirectory, Result]):
    _, result = finished
    lines = result.stdout.splitlines()
    evaluations = [line for line in lines if line.startswith("EVAL: ")]
    assert len(evaluations) == 4
    assert all(re.search("EVAL: Average loss: ([0-9\\.]+)", line) for line in evaluations)
    [test] = [line for line in lines if line.startswith("TEST: ")]
    assert re.fullmatch(r"TEST: Average loss: \d+\.\d{4}, Accuracy: \d+/15 \(\d+\.\d\d%\)", test)
    assert sum(line.startswith("Train Epoch: 4 [") for line in lines) == 5  # 76 readable pictures, 16 a step
    assert "Train Epoch: 4 [76/76 (100%)], Loss: " in result.stdout


def test_three_colours_are_learnt(finished: tuple[JobDirectory, Result]):
    job, _ = finished
    assert job.metrics()[-1]["test_accuracy"] >= 90


def test_the_metrics_are_recorded(finished: tuple[JobDirectory, Result]):
    job, _ = finished
    *epochs, test = job.metrics()
    assert [record["epoch"] for record in epochs] == [1, 2, 3, 4]
    assert [record["learning_rate"] for record in epochs] == pytest.approx([1e-3, 1e-3, 5e-4, 5e-4])
    best = min(epochs, key=lambda record: record["eval_loss"])
    assert test["best_epoch"] == best["epoch"]


def test_unreadable_pictures_are_listed_and_odd_ones_read(finished: tuple[JobDirectory, Result]):
    job, result = finished
    rows = list(csv.DictReader((job.data / "unreadable.csv").open()))
    assert sorted(Path(row["path"]).name for row in rows) == ["empty.jpg", "huge.png", "text.png", "truncated.jpg"]
    assert all(row["path"] in result.stdout for row in rows)
    assert "train 76, validation 18, test 15 pictures" in result.stdout


def test_the_model_directory_predicts_what_the_job_reported(finished: tuple[JobDirectory, Result], data: Path):
    """Computed again from the files, without the training code."""
    job, _ = finished
    model, card = artifact.load(job.model)
    assert card.classes == ("blue", "green", "red")
    right, confusion, named = 0, [[0] * 3 for _ in range(3)], []
    for target, name in enumerate(card.classes):
        for file in sorted((data / "test" / name).iterdir()):
            pixels = torch.from_numpy(card.preprocessing.to_array(read_picture(file)).copy())[None]
            with torch.inference_mode():
                predicted = int(model(card.preprocessing.normalize(pixels)).argmax())
            right += predicted == target
            confusion[target][predicted] += 1
            named.append([file.name, name, card.classes[predicted]])
    assert list(csv.reader((job.data / "test_predictions.csv").open())) == [["picture", "true", "predicted"], *named]
    assert card.training["test"]["test_accuracy"] == pytest.approx(100 * right / 15)
    found = json.loads((job.data / "probabilities.json").read_text())
    assert (job.data / "label_errors.csv").read_text().startswith("split,path,label,suggestion,margin\n")
    assert (found["pictures"], found["correct"], found["calibration"]) == (15, right, card.calibration)
    assert card.calibration["uncalibrated"] == "30 validation pictures are needed, and there are 18"
    header, *rows = csv.reader((job.data / "confusion_matrix.csv").open())
    assert header[1:] == list(card.classes)
    assert [[int(count) for count in row[1:]] for row in rows] == confusion
    per_class = list(csv.DictReader((job.data / "per_class.csv").open()))
    assert [(row["class"], row["train_pictures"], row["correct"]) for row in per_class] == [
        ("blue", "12", str(confusion[0][0])),
        ("green", "24", str(confusion[1][1])),
        ("red", "40", str(confusion[2][2])),
    ]


def test_the_card_says_how_the_model_was_made(finished: tuple[JobDirectory, Result]):
    job, _ = finished
    training = artifact.read_card(job.model).training
    assert training["pictures"] == {"train": 76, "validation": 18, "test": 15, "unreadable": 4}
    assert training["hyperparameters"]["opt-learning-rate"] == "0.001"
    assert training["versions"]["torch"] == torch.__version__.split("+")[0]


def test_the_reports_are_one_page_each_and_link_to_each_other(finished: tuple[JobDirectory, Result]):
    job, _ = finished
    for name, other in (("training", "profiler"), ("profiler", "training")):
        page = (job.data / f"{name}-report.html").read_text()
        assert f'<a href="{other}-report.html">' in page
        assert '<script src="http' not in page
    card = json.loads((job.data / "job.json").read_text())
    assert card["classes"] == ["blue", "green", "red"]
    assert card["train_counts"] == [12, 24, 40]
    assert card["settings"]["model-type"] == "resnet18"


def test_a_successful_job_leaves_no_failure_file(finished: tuple[JobDirectory, Result]):
    job, _ = finished
    assert not (job.base / "output" / "failure").exists()
    assert job.processes() == []


def test_a_folder_as_it_comes_is_trained_on_and_all_that_is_left_out_is_named(
    finished: tuple[JobDirectory, Result], data: Path, job: JobDirectory
):
    """Names that are no UTF-8, links, a small data set without a batch size, a model.tar.gz to start from, and
    hyperparameters from an editor on Windows."""
    folder = job.base / "input" / "data" / "training"
    odd = os.fsdecode(b"caf\xe9")
    shutil.copytree(data / "validation", folder)
    (folder / "green").rename(folder / odd)
    (folder / odd / "000.png").rename(folder / odd / f"{odd}.png")
    (folder / odd / f"{odd}.jpg").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    (folder / "red" / "gone").symlink_to("nowhere")
    (folder / "red" / "more").symlink_to(data / "test" / "red")
    (folder / "__MACOSX").mkdir()
    trained, _ = finished
    weights = job.base / "input" / "data" / "weights"
    weights.mkdir()
    with tarfile.open(weights / "model.tar.gz", "w:gz", compresslevel=1) as archive:
        archive.add(trained.model, ".")
    values = {name: value for name, value in SMALL.items() if name not in ("batch-size", "weights")} | {"epochs": "1"}
    (job.base / "input" / "config" / "hyperparameters.json").write_text(json.dumps(values), encoding="utf-8-sig")
    result = job.run()
    assert result.code == 0, result.log
    for line in (
        "the channel training is taken as train",
        "left out of the train channel, as systems and tools leave it behind: 1 __MACOSX",
        f"skipped: {folder}/red/gone is a link to nothing (nowhere does not exist)",
        rf"skipped: the picture {folder}/caf\xe9/caf\xe9.jpg cannot be decoded: it is a Git LFS pointer",
        "train 17, validation 3, test 3 pictures; the largest class has 9 in train, the smallest 4; 2 unreadable",
        "batch-size 17, as many as the train split has: the default is 64",
        f"resnet18 starts from {weights}/model.tar.gz",
    ):
        assert line in result.stdout
    assert "Logging error" not in result.log
    card = artifact.read_card(job.model)
    assert card.classes == ("blue", r"caf\xe9", "red")
    assert card.training["hyperparameters"]["batch-size"] == "17"
    rows = list(csv.DictReader((job.data / "unreadable.csv").open()))
    assert [Path(row["path"]).name for row in rows] == ["gone", r"caf\xe9.jpg"]


def test_the_same_seed_gives_the_same_model_with_any_number_of_workers(data: Path, tmp_path: Path):
    models = []
    for workers in ("0", "2"):
        job = JobDirectory(tmp_path / workers)
        job.channel("train", data / "validation")
        result = run_program(job, {**SMALL, "num-workers": workers, "seed": "7"})
        assert result.code == 0, result.log
        assert "there is no test channel: 3 of train's pictures are held out" in result.stdout
        models.append((job.model / "model.safetensors").read_bytes())
    assert models[0] == models[1]


def test_early_stopping_and_frozen_epochs(data: Path, job: JobDirectory):
    for name in ("train", "validation"):
        job.channel(name, data / name)
    weights = job.base / "input" / "data" / "weights"
    weights.mkdir()
    torch.manual_seed(3)
    start = artifact.build_model("resnet18", 1000).state_dict()
    torch.save(start, weights / "imagenet.pth")
    result = run_program(
        job,
        {
            **SMALL,
            "weights": "default",
            "epochs": "9",
            "freeze-epochs": "9",
            "opt-learning-rate": "5",
            "early-stopping-patience": "1",
            "label-smoothing": "0.1",
        },
    )
    assert result.code == 0, result.log
    assert "starts from" in result.stdout
    assert "imagenet.pth" in result.stdout
    assert "early stopping: the evaluation loss has not fallen below" in result.stdout
    assert len(job.metrics()) < 10
    model, _ = artifact.load(job.model)
    for name, value in model.state_dict().items():
        if not name.startswith("fc."):
            assert torch.equal(value, start[name]), f"{name} moved while it was frozen"


def test_no_network_and_no_weights_says_so_and_trains(data: Path, job: JobDirectory):
    job.channel("train", data / "validation")
    nowhere = {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9", "TORCH_HOME": "/dev/null"}
    result = run_program(job, {**SMALL, "weights": "default", "epochs": "1"}, Variables(nowhere))
    assert result.code == 0, result.log
    assert "no pretrained weights: there is no weights channel" in result.stdout


def test_watching_options_leave_their_files(data: Path, job: JobDirectory):
    job.channel("train", data / "train")
    (job.base / "input" / "config" / "profilerconfig.json").write_text("{}")
    result = run_program(job, {**SMALL, "epochs": "1", "profile": "false", "wandb": "true"})
    assert result.code == 0, result.log
    assert not (job.data / "profile").exists()
    assert not (job.base / "output" / "profiler").exists()
    assert list((job.data / "wandb").glob("offline-run-*/*.wandb"))


@pytest.fixture
def broken(data: Path, job: JobDirectory) -> JobDirectory:
    """A job of which one of 19 pictures cannot be read."""
    folder = shutil.copytree(data / "validation", job.base / "input" / "data" / "train")
    (folder / "red" / "broken.jpg").write_bytes(b"\xff\xd8 broken")
    return job


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"batchsize": "8"}, "there is no hyperparameter batchsize; did you mean batch-size?"),
        ({"batch-size": "4096"}, "batch-size is 4096, but the train split has 13 pictures; choose at most 13"),
    ],
)
def test_what_the_user_can_mend_is_one_paragraph(broken: JobDirectory, values: dict[str, str], message: str):
    result = broken.run({**SMALL, **values})
    assert result.code == 1
    assert message in broken.failure
    check_paragraph(broken, result.log)
    assert result.stderr.rstrip().endswith(broken.failure.strip())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"batch-size": "13"}, "batch-size is 13, but the train split has 12 pictures; choose at most 12"),
        ({"model-type": "resnet34", "weights": "default"}, "these weights are not resnet34's"),
        ({"bad-images": "fail"}, "1 picture of the train channel cannot be read, and bad-images is fail"),
    ],
)
def test_what_is_found_once_pictures_and_weights_are_read_is_one_paragraph_too(
    broken: JobDirectory, values: dict[str, str], message: str
):
    channel = broken.base / "input" / "data" / "weights"
    channel.mkdir()
    torch.save(artifact.build_model("resnet18", 3).state_dict(), channel / "resnet18.pth")
    result = run_program(broken, {**SMALL, **values})
    assert result.code == 1
    assert message in broken.failure
    check_paragraph(broken, result.log)
    assert result.stdout.rstrip().endswith(broken.failure.strip())


def check_paragraph(job: JobDirectory, log: str) -> None:
    assert len(job.failure) <= 1024
    assert "\n" not in job.failure.strip()
    assert "Traceback" not in log


def test_a_loss_that_is_not_finite_stops_the_job(data: Path, job: JobDirectory):
    job.channel("train", data / "validation")
    channel = job.base / "input" / "data" / "weights"
    channel.mkdir()
    tensors = artifact.build_model("resnet18", 3).state_dict()
    tensors["bn1.bias"] = torch.full_like(tensors["bn1.bias"], torch.inf)
    torch.save(tensors, channel / "resnet18.pth")
    result = run_program(job, {**SMALL, "weights": "default"})
    assert result.code == 1
    assert "the training loss is nan at batch 1 of" in job.failure
    assert "Lower opt-learning-rate" in job.failure


def test_a_split_without_a_readable_picture_is_found_before_training(data: Path, job: JobDirectory):
    job.channel("train", data / "validation")
    folder = job.base / "input" / "data" / "test" / "red"
    folder.mkdir(parents=True)
    (folder / "broken.jpg").write_bytes(b"broken")
    result = run_program(job, SMALL)
    assert result.code == 1
    assert job.failure.startswith("no picture of the test channel can be read; 1 are unreadable, the first: ")
    assert "Train Epoch" not in result.stdout


def test_no_train_channel(job: JobDirectory):
    result = run_program(job, SMALL)
    assert result.code == 1
    assert job.failure.startswith("there is no train channel")


@dataclass(frozen=True)
class WithDriver:
    """Loads the stub of the NVIDIA driver's library into a forked job."""

    directory: Path
    variables: Mapping[str, str]

    def __call__(self) -> None:
        ctypes.CDLL(str(self.directory / "libnvidia-ml.so.1"))
        os.environ |= self.variables


@pytest.mark.parametrize(
    ("driver", "message"),
    [
        (OLD_DRIVER, "NVIDIA driver 470.57.02 (CUDA 11.4) is too old for this torch"),
        # The library that answers here has no CUDA behind it.
        ({}, "the NVIDIA driver shows a GPU, but torch cannot use it ("),
    ],
)
@pytest.mark.skipif(torch.cuda.is_available() or not torch.version.cuda, reason="for a torch with CUDA and no GPU")
def test_a_gpu_that_cannot_be_used_stops_the_job(
    data: Path, job: JobDirectory, tmp_path: Path, driver: dict[str, str], message: str
):
    job.channel("train", data / "validation")
    result = run_program(job, SMALL, WithDriver(build_nvml_stub(tmp_path), driver))
    assert result.code == 1
    assert job.failure.startswith(message)
    assert job.failure.endswith("to run on the CPU, set SLIPWAY_USE_CUDA=false")
    assert "\n" not in job.failure
    assert "Traceback" not in result.log


@pytest.mark.parametrize(
    ("environment", "values", "setting"),
    [
        ({"SLIPWAY_USE_CUDA": "false"}, {}, "SLIPWAY_USE_CUDA"),
        ({}, {"use-cuda": "false"}, "use-cuda"),
    ],
)
def test_the_cpu_can_be_chosen_whatever_the_driver(
    data: Path, job: JobDirectory, tmp_path: Path, environment: dict[str, str], values: dict[str, str], setting: str
):
    job.channel("train", data / "validation")
    driver = WithDriver(build_nvml_stub(tmp_path), {**OLD_DRIVER, **environment})
    result = run_program(job, {**SMALL, "epochs": "1", **values}, driver)
    assert result.code == 0, result.log
    assert f"GPU: not used ({setting} is false); running on the CPU\n" in result.stdout
    assert artifact.read_card(job.model).training["hyperparameters"]["use-cuda"] == "false"


def test_compile_without_a_compiler_is_found_before_any_data_is_read(job: JobDirectory):
    compiler = Variables({"CC": "no-such-compiler", "CXX": "no-such-compiler"})
    result = run_program(job, {**SMALL, "compile": "true"}, compiler)
    assert result.code == 1
    assert job.failure.startswith("hyperparameter compile is true, but torch.compile on a ")
    assert "(no-such-compiler), not found here: build the image with ./build.sh --compiler" in job.failure
