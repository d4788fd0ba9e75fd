"""Answers say which pictures are unlike the training data, whatever computes them."""

import io
import json
import logging
import shutil
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from container import artifact
from container.graph.probabilities import distance
from container.serve.protocol.replies import Request, RequestHead
from container.serve.settings.config import ServeConfig
from container.serve.worker.builtin import BuiltIn
from container.serve.worker.pixels import square
from container.serve.worker.predictor import Predictor
from container.serve.worker.response_body import encode

ENGINES = ({"SLIPWAY_PRECISION": "fp32"}, {"SLIPWAY_ENGINE": "torch"})


def config(model_dir: Path, **variables: str) -> ServeConfig:
    return ServeConfig.from_environment({"SLIPWAY_USE_CUDA": "false", **variables}, model_dir=model_dir)


PICTURES = np.random.default_rng(3).integers(0, 256, (6, 40, 40, 3), dtype=np.uint8)


def distances(predictor: Predictor) -> np.ndarray:
    return predictor.predict([square(pixels, predictor.card.preprocessing, 10**6) for pixels in PICTURES])[1]


@pytest.fixture
def limited(model_dir: Path, tmp_path: Path) -> Path:
    """A model whose threshold is the median distance of the pictures."""
    copy = tmp_path / "model"
    shutil.copytree(model_dir, copy)
    card = artifact.read_card(copy)
    typical = {"temperature": 2.0, "typical_logits": [2.0, -0.5]}
    artifact.save_card(copy, replace(card, calibration=typical))
    median = float(np.median(distances(Predictor.load(config(copy)))))
    artifact.save_card(copy, replace(card, calibration={**typical, "distance_above": median}))
    return copy


def answer(builtin: BuiltIn) -> dict:
    body = io.BytesIO()
    np.save(body, PICTURES)
    head = RequestHead(
        request_id="1", deadline=time.monotonic() + 600, content_type="application/x-npy", accept="application/json"
    )
    [reply] = builtin.answer([Request(head, body.getvalue())])
    assert reply.status == 200, reply.body
    return json.loads(reply.body)


@pytest.mark.parametrize("engine", ENGINES, ids=["openvino", "torch"])
def test_what_exceeds_the_models_threshold_is_flagged(limited: Path, engine: dict[str, str]):
    settings = config(limited, SLIPWAY_OUT_OF_DISTRIBUTION="auto", **engine)
    predictor = Predictor.load(settings)
    flags = answer(BuiltIn(predictor, settings))["out_of_distribution"]
    assert flags == (distances(predictor) > predictor.card.calibration["distance_above"]).tolist()
    assert sum(flags) == 3
    assert "out_of_distribution" not in answer(BuiltIn(predictor, config(limited, **engine)))


def test_every_engine_has_the_same_distances(limited: Path):
    one, other = (distances(Predictor.load(config(limited, **engine))) for engine in ENGINES)
    np.testing.assert_allclose(one, other, atol=1e-3)


def test_a_model_without_a_threshold_flags_nothing_and_says_why(model_dir: Path, caplog: pytest.LogCaptureFixture):
    settings = config(model_dir, SLIPWAY_OUT_OF_DISTRIBUTION="auto")
    with caplog.at_level(logging.WARNING):
        builtin = BuiltIn(Predictor.load(settings), settings)
    assert "training chose no distance_above" in caplog.text
    assert "out_of_distribution" not in answer(builtin)


def test_the_distance_is_that_from_the_nearest_typical_picture():
    typical = (4.0, -1.0)
    points = np.where(np.eye(3, dtype=bool), *typical)
    random = np.random.default_rng(0)
    logits = np.concatenate([points, random.normal(0, 3, (50, 3))]).astype(np.float32)
    wanted = np.linalg.norm(logits[:, None] - points, axis=2).min(axis=1)
    np.testing.assert_allclose(distance(logits, typical), wanted, atol=1e-5)


def test_lines_and_single_answers_have_the_flag_too():
    rows = np.array([[0.6, 0.4], [0.55, 0.45]], np.float32)
    lines = encode(rows, "ab", "application/jsonlines", k=1, many=True, out_of_distribution=[True, False]).splitlines()
    assert [json.loads(line)["out_of_distribution"] for line in lines] == [True, False]
    one = encode(rows[:1], "ab", "application/json", k=1, many=False, reject_below=0.9, out_of_distribution=[True])
    assert (json.loads(one)["rejected"], json.loads(one)["out_of_distribution"]) == (True, True)
