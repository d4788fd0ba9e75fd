"""Whole jobs: begun, resumed, profiled, tested and described, or refused."""

import json
import re
import shutil
from pathlib import Path

import pytest
import safetensors.torch
import torch

from container import artifact
from container.contract.metric_lines import EvaluationLine, TrainLine
from container.contract.networks import is_resnet
from container.networks.build import build_model
from container.train.launch.stopping import Interrupted, Stop
from container.train.loop import fit
from tests.conftest import write_image_folder
from tests.networks import NETWORKS
from tests.train.conftest import SMALL, JobDirectory
from tests.train.forked_job import ForkedJob, run_forked
from tests.train.loop.test_recipe import Job

WITH_WEIGHTS = ("tf_efficientnet_lite0", "vit_small_patch16_224")


@pytest.fixture(autouse=True)
def no_job_is_left():
    yield
    ForkedJob.end_all()


@pytest.mark.parametrize("network", WITH_WEIGHTS)
def test_a_job_resumes_with_the_weights_it_began_with(network: str, tmp_path: Path):
    job = JobDirectory(tmp_path / "job")
    job.channel("train", write_image_folder(tmp_path / "train", {"blue": 8, "red": 8}))
    (job.base / "checkpoints").mkdir()
    weights = tmp_path / "weights"
    write_weights(network, weights)
    job.channel("weights", weights)
    settings = {**SMALL, "model-name": network, "image-size": NETWORKS[network], "augmentation": "light"}
    del settings["model-type"], settings["weights"]
    job.hyperparameters({**settings, "epochs": "1"})
    code, log = run_forked(job)
    assert code == 0, log
    assert f"{network} starts from {job.base}/input/data/weights/model.safetensors" in log
    first = json.loads((job.model / "model.json").read_text())

    job.hyperparameters({**settings, "epochs": "2"})
    code, log = run_forked(job)
    assert code == 0, log
    assert "resuming from the checkpoint of epoch 2, step 0" in log
    assert [record.get("epoch") for record in job.metrics()] == [0, 1, 2, None]  # 0 is the linear probe
    model, card = artifact.load(job.model)
    assert card.weights == first["weights"]
    assert len(card.weights["sha256"]) == 64
    assert card.architecture == network
    assert card.preprocessing.interpolation == "bicubic"
    assert card.preprocessing.mean == (0.5, 0.5, 0.5)
    assert card.training["hyperparameters"]["image-size"] == str(NETWORKS[network])
    size = card.preprocessing.size
    with torch.inference_mode():
        assert model(torch.zeros(1, 3, size, size)).shape == (1, 2)


def write_weights(network: str, directory: Path) -> None:
    """Save weights for five classes."""
    directory.mkdir()
    torch.manual_seed(0)
    model = build_model(network, 5, image_size=NETWORKS.get(network, 32))
    safetensors.torch.save_file(model.state_dict(), directory / "model.safetensors")


@pytest.mark.parametrize("network", [network for network in NETWORKS if network not in WITH_WEIGHTS])
def test_a_modern_job_is_interrupted_resumed_and_profiled(
    network: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    """Each of the other networks from random weights; the seed recipe's steps are in test_whole_way.py."""
    write_image_folder(tmp_path / "data" / "train", {"blue": 8, "red": 8})
    values = {"model-type": network, "image-size": str(NETWORKS[network]), "recipe": "modern", "profile": "true"}
    values |= {"drop-path": "0" if is_resnet(network) else "0.1", "checkpoint-every": "9"}  # only where interrupted
    job, stop = Job(tmp_path / "job", tmp_path / "data", **values), Stop()

    def end_after_an_epoch(line: TrainLine | EvaluationLine) -> None:
        stop.requested = isinstance(line, EvaluationLine)

    with monkeypatch.context() as patched:
        patched.setattr(fit, "emit", end_after_an_epoch)
        with pytest.raises(Interrupted):
            job.run(stop)
    with caplog.at_level("INFO"):
        job.run()
    assert "resuming from the checkpoint of epoch 2, step 1" in caplog.text
    card = artifact.load(job.paths.model)[1]
    assert card.architecture == network
    assert card.training["hyperparameters"]["lr-schedule"] == "cosine"
    lines = (job.paths.output_data / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line).get("epoch") for line in lines] == [1, 2, None]
    assert (job.paths.output_data / "profiler-report.html").is_file()
    shutil.rmtree(tmp_path / "job")  # some hundred megabytes


REFUSED = {
    "a misspelt network": (
        {"model-type": "efficientnet_lite_0"},
        r"no network 'efficientnet_lite_0' in timm 1.*; the nearest are efficientnet_lite0, ",
    ),
    "a network without a classifier": (
        {"model-type": "gemma4_vit_167m_enc", "image-size": "256"},
        r"a network without a classifier",
    ),
    "a size that a transformer cannot take": (
        {"model-type": "vit_small_patch16_224", "image-size": "100"},
        r"image-size is 100, but vit_small_patch16_224 cuts pictures into patches of 16 x 16 pixels",
    ),
    "weights of another network": (
        {"model-type": "test_vit", "image-size": "32", "weights": "default"},
        r"these weights are not test_vit's: .*; set model-type to the weights' own",
    ),
    "options that contradict each other": ({"warmup-epochs": "1"}, r"warmup-epochs is 1, but lr-schedule is step"),
    "a manifest that names absent files": ({}, r"labels.csv.*absent.jpg"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_ends_the_job_with_one_sentence_before_a_picture_is_read(case: str, tmp_path: Path):
    given, message = REFUSED[case]
    job = JobDirectory(tmp_path / "job")
    train = write_image_folder(tmp_path / "train", {"blue": 8, "red": 8})
    if "manifest" in case:
        (train / "labels.csv").write_text("file,label\nblue/0.jpg,blue\nblue/absent.jpg,blue\n")
    job.channel("train", train)
    if given.get("weights") == "default":
        write_weights("test_resnet", tmp_path / "weights")
        job.channel("weights", tmp_path / "weights")
    job.hyperparameters({**SMALL, **given})
    code, log = run_forked(job)
    assert code == 1, log
    assert re.search(message, job.failure), job.failure
    assert "\n" not in job.failure.strip()
    assert "Traceback" not in log
    assert "reading all" not in log
