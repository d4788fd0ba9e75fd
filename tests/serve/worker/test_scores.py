"""All scores of a picture in the order of the classes: what SageMaker Clarify asks for, and how it may ask.

The shapes are those of "Image data requirements" in SageMaker's developer guide: one picture as JPEG, PNG or .npy, and
a list of scores as CSV, JSON or JSON Lines.
"""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from container.serve.protocol.accept import (
    CSV,
    CSV_SCORES,
    JSON,
    JSON_LINES,
    JSON_LINES_SCORES,
    JSON_SCORES,
    NPY,
    negotiate,
)
from container.serve.worker.response_body import encode
from slipway.clarify import SCORES
from tests.serve.server_process import Answer, ServerProcess

ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"


def ask(server: ServerProcess, body: bytes, content_type: str, accept: str, attributes: str | None = SCORES) -> Answer:
    headers = {"Content-Type": content_type, "Accept": accept}
    return server.request("POST", "/invocations", body, headers | ({ATTRIBUTES: attributes} if attributes else {}))


def as_type(picture: bytes, content_type: str) -> bytes:
    """The picture as Clarify sends it after it has masked parts of it."""
    pixels, data = np.asarray(Image.open(io.BytesIO(picture))), io.BytesIO()
    if content_type == "application/x-npy":
        np.save(data, pixels)
    else:
        Image.fromarray(pixels).save(data, "JPEG" if content_type.endswith(("jpeg", "jpg")) else "PNG", quality=95)
    return data.getvalue()


@pytest.mark.parametrize("content_type", ["image/jpeg", "image/jpg", "image/png", "application/x-npy"])
def test_clarifys_shapes(server: ServerProcess, picture: bytes, content_type: str) -> None:
    body = as_type(picture, content_type)
    answer = ask(server, body, content_type, "application/json", None)
    wanted = {row["index"]: row["probability"] for row in answer.json["predictions"]}
    scores = pytest.approx([wanted[index] for index in range(3)], abs=2e-6)

    answer = ask(server, body, content_type, "application/json")
    assert (answer.headers["content-type"], answer.json) == ("application/json", scores)
    answer = ask(server, body, content_type, "application/jsonlines")
    assert (answer.headers["content-type"], answer.json) == ("application/jsonlines", {"prediction": scores})
    assert answer.body.endswith(b"\n")
    answer = ask(server, body, content_type, "text/csv")
    assert answer.headers["content-type"] == "text/csv"
    assert [float(value) for value in answer.body.decode().removesuffix("\n").split(",")] == scores


def test_several_pictures_give_a_row_each(server: ServerProcess, pictures) -> None:
    batch = io.BytesIO()
    np.save(batch, np.stack([np.asarray(Image.open(io.BytesIO(file))) for file in pictures[:3]]))
    rows = np.array(ask(server, batch.getvalue(), "application/x-npy", "application/json").json)
    assert rows.shape == (3, 3)
    assert rows.sum(axis=1) == pytest.approx([1, 1, 1], abs=1e-5)
    table = ask(server, batch.getvalue(), "application/x-npy", "text/csv").body.decode().splitlines()
    assert np.array([line.split(",") for line in table], float) == pytest.approx(rows)
    one = json.dumps({"instances": [base64.b64encode(pictures[0]).decode()]}).encode()
    assert np.array(ask(server, one, "application/json", "application/json").json).shape == (1, 3)


def test_scores_read_back_as_the_same_numbers() -> None:
    scores = np.array([[0.1, 1e-9, 1, 0, 1 / 3]], np.float32)
    for offer in (JSON_SCORES, CSV_SCORES):
        text = encode(scores, "abcde", offer, k=5, many=False).decode().strip("[]\n")
        assert np.array([np.float32(value) for value in text.split(",")]).tolist() == scores[0].tolist()


@pytest.mark.parametrize(
    ("accept", "default", "attributes", "chosen"),
    [
        ("application/json;format=scores", JSON, None, JSON_SCORES),
        ("text/csv; format=scores", JSON, None, CSV_SCORES),
        ("application/x-ndjson;format=scores", JSON, None, JSON_LINES_SCORES),
        ("application/json", JSON_SCORES, None, JSON_SCORES),
        ("text/csv", JSON_SCORES, None, CSV_SCORES),
        ("application/jsonlines", JSON_SCORES, None, JSON_LINES_SCORES),
        ("application/x-npy", JSON_SCORES, None, NPY),
        ("*/*", JSON_SCORES, None, JSON_SCORES),
        (None, JSON_SCORES, None, JSON_SCORES),
        ("application/json", JSON, "format=scores", JSON_SCORES),
        ("*/*", CSV, "id=7;format=scores,x", CSV_SCORES),
        ("application/json;format=predictions", JSON_SCORES, "format=scores", JSON),
        ("application/json", JSON_SCORES, "format=predictions", JSON),
        ("application/jsonlines", JSON, "format=index", JSON_LINES),
        ("application/json", JSON, "format=of-my-own", JSON),
    ],
)
def test_who_decides_on_the_form(accept: str | None, default: str, attributes: str | None, chosen: str) -> None:
    assert negotiate(accept, default, attributes).offer == chosen
