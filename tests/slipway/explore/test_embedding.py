"""Embeddings by a pretrained network, computed by a process that imports torch."""

import numpy as np
import pytest
import torch

from container.embed.files import embed_files
from container.embed.network import load_network
from container.networks.build import build_model
from slipway.errors import JobError
from slipway.explore import look_at, scan
from slipway.explore.contents import compare
from slipway.explore.embedding import embed
from tests.slipway.explore.scenes import scene_folder


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return scene_folder(tmp_path_factory.mktemp("data") / "scenes", per_class=12)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    torch.manual_seed(0)
    file = tmp_path_factory.mktemp("weights") / "test_resnet.pth"
    torch.save(build_model("test_resnet", 1000).state_dict(), file)
    return file


def test_every_picture_has_a_row_in_its_order_and_it_is_said_which_features_judged(scenes, weights, tmp_path):
    dataset, steps = scan(scenes), []
    paths = [picture.path for picture in dataset.pictures]
    embedded = embed(paths, network="test_resnet", weights=weights, advance=lambda *step: steps.append(step))
    assert embedded.text == "test_resnet, test_resnet.pth"
    assert steps[-1] == (36, 36)
    embed_files(load_network("test_resnet", weights), paths[::-1], tmp_path / "backward.npy", lambda _: None)
    assert np.allclose(embedded.vectors, np.load(tmp_path / "backward.npy")[::-1], atol=0.01)
    contents = compare(dataset, embedded)
    assert contents.without == ""
    assert contents.by in ("their pixels, shrunk", "features of test_resnet, test_resnet.pth")
    assert contents.features.shape[0] == 36


def test_weights_that_were_asked_for_must_fit(scenes, weights):
    with pytest.raises(JobError, match="cannot be embedded: these weights are not test_vit's"):
        look_at(scan(scenes), network="test_vit", weights=weights)


def test_without_weights_anywhere_pixels_decide_and_it_is_said(scenes, monkeypatch):
    monkeypatch.setattr("slipway.explore.embedding._NEEDED", ("torch", "no_such_package"))
    contents = look_at(scan(scenes))
    assert contents.without == "no_such_package is not installed"
    assert contents.by == "their pixels, shrunk"
