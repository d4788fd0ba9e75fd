"""Embeddings by a pretrained network, computed by a process that imports torch."""

import numpy as np
import pytest
import torch

from container.networks.build import build_model
from slipway.errors import JobError
from slipway.explore import look_at, scan
from slipway.explore.embedding import embed
from tests.slipway.explore.scenes import scene_folder


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return scene_folder(tmp_path_factory.mktemp("data") / "scenes", per_class=12)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    torch.manual_seed(0)
    file = tmp_path_factory.mktemp("weights") / "resnet18.pth"
    torch.save(build_model("resnet18", 1000).state_dict(), file)
    return file


def test_every_picture_has_a_row_in_its_order(scenes, weights):
    paths = sorted(scenes.rglob("*.png"))
    steps = []
    forward = embed(paths, network="resnet18", weights=weights, advance=lambda *step: steps.append(step))
    backward = embed(paths[::-1], network="resnet18", weights=weights)
    assert forward.vectors.shape == (36, 512)
    assert forward.text == "resnet18, resnet18.pth"
    assert steps[-1] == (36, 36)
    assert np.allclose(forward.vectors, backward.vectors[::-1], atol=0.01)


def test_contents_say_which_features_judged(scenes, weights):
    contents = look_at(scan(scenes), network="resnet18", weights=weights)
    assert contents.without == ""
    assert contents.by in ("their pixels, shrunk", "features of resnet18, resnet18.pth")
    assert contents.features.shape[0] == 36


def test_weights_that_were_asked_for_must_fit(scenes, weights):
    with pytest.raises(JobError, match="cannot be embedded: these weights are not resnet34's"):
        look_at(scan(scenes), network="resnet34", weights=weights)


def test_without_weights_anywhere_pixels_decide_and_it_is_said(scenes, monkeypatch):
    monkeypatch.setattr("slipway.explore.embedding._NEEDED", ("torch", "no_such_package"))
    contents = look_at(scan(scenes))
    assert contents.without == "no_such_package is not installed"
    assert contents.by == "their pixels, shrunk"
