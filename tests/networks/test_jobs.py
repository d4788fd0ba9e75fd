"""Whole jobs of a convolutional network and of a transformer: begun, resumed, tested, and described."""

import json
from pathlib import Path

import pytest
import safetensors.torch
import torch

from container import artifact
from container.networks.build import build_model
from tests.conftest import write_image_folder
from tests.networks import NETWORKS
from tests.train.conftest import SMALL, JobDirectory
from tests.train.forked_job import ForkedJob, run_forked


@pytest.fixture(autouse=True)
def no_job_is_left():
    yield
    ForkedJob.end_all()


@pytest.mark.parametrize("network", ["tf_efficientnet_lite0", "vit_small_patch16_224"])
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
    model = build_model(network, 5, image_size=NETWORKS[network])
    safetensors.torch.save_file(model.state_dict(), directory / "model.safetensors")


def test_a_misspelt_network_ends_the_job_before_a_picture_is_read(tmp_path: Path):
    job = JobDirectory(tmp_path / "job")
    job.channel("train", write_image_folder(tmp_path / "train", {"blue": 8, "red": 8}))
    job.hyperparameters({**SMALL, "model-type": "efficientnet_lite_0"})
    code, log = run_forked(job)
    assert code == 1
    assert "timm 1" in job.failure
    assert "the nearest are efficientnet_lite0, " in job.failure
    assert "reading all" not in log
