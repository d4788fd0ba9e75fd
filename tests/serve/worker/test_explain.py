"""Explanations as clients get them: that the heat lies where it should, and every way of asking for it."""

import base64
import io
import json
import time

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from container.model_card import ModelCard
from container.networks.build import build_model
from container.preprocessing import Preprocessing
from container.serve.protocol.explain_request import LARGEST, MAX_EXPLAINED, ExplainRequest
from container.serve.protocol.replies import Reply, Request, RequestError, RequestHead
from container.serve.settings.config import ServeConfig
from container.serve.worker.builtin import BuiltIn
from container.serve.worker.engine.eager import Eager
from container.serve.worker.predictor import Predictor
from container.serve.worker.request_body import decode
from tests.serve.conftest import CLASSES
from tests.serve.server_process import Answer, ServerProcess

ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
EXPLAIN_JSON = "application/json;explain=true"


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def as_file(pixels: np.ndarray, kind: str = "PNG", **options) -> bytes:
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, kind, **options)
    return data.getvalue()


def painted(explanation: dict) -> Image.Image:
    """The PNG of an answer, checked against what the answer says of it."""
    image = Image.open(io.BytesIO(base64.b64decode(explanation["image"])))
    assert image.format == "PNG"
    assert image.size == (explanation["width"], explanation["height"])
    return image


# A network whose class depends on one patch of the picture


@pytest.fixture(scope="module")
def patch_finder() -> BuiltIn:
    """Tells whether a picture has a red or a blue patch, wherever it is."""
    torch.manual_seed(0)
    card = ModelCard(architecture="test_resnet", classes=("red", "blue"), preprocessing=Preprocessing.for_size(128))
    model = build_model("test_resnet", 2)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    dice = np.random.default_rng(0)
    for _ in range(30):
        examples = [with_patch(dice, 128, 128) for _ in range(12)]
        batch = card.preprocessing.normalize(torch.from_numpy(np.stack([pixels for pixels, _, _ in examples])))
        loss = nn.functional.cross_entropy(model(batch), torch.tensor([label for _, label, _ in examples]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return BuiltIn(by_torch(model, card), ServeConfig.from_environment({}))


def by_torch(model: nn.Module, card: ModelCard) -> Predictor:
    eager = Eager(model, card, torch.device("cpu"))
    return Predictor(eager, card, lambda: eager)


def with_patch(dice: np.random.Generator, width: int, height: int) -> tuple[np.ndarray, int, tuple[int, int]]:
    """A noisy picture, 0 for a red patch or 1 for a blue one, and the patch's middle (x, y); it is 28 pixels wide."""
    pixels = dice.integers(0, 90, (height, width, 3), dtype=np.uint8)
    # Far enough from the border to be seen after the crop.
    x, y = (int(dice.integers(30, side - 30)) for side in (width, height))
    if width > height:
        x = int(dice.integers((width - height) // 2 + 30, (width + height) // 2 - 30))
    label = int(dice.integers(2))
    pixels[y - 14 : y + 14, x - 14 : x + 14] = (255, 0, 0) if label == 0 else (0, 0, 255)
    return pixels, label, (x, y)


def request(body: bytes, content_type: str = "image/png", accept: str | None = EXPLAIN_JSON, **head) -> Request:
    fields = {"request_id": "1", "deadline": time.monotonic() + 60} | head
    return Request(RequestHead(content_type=content_type, accept=accept, **fields), body)


def body_of(reply: Reply) -> dict:
    assert reply.status == 200, reply.body
    return json.loads(reply.body)


def test_the_heat_is_where_the_patch_is(patch_finder: BuiltIn) -> None:
    """In the picture's own pixels: of a picture that is half as wide again as high, and cropped."""
    dice = np.random.default_rng(7)
    examples = [with_patch(dice, 210, 140) for _ in range(24)]
    fields = {
        "instances": [{"b64": b64(as_file(pixels))} for pixels, _, _ in examples],
        "explain": {"view": "map"},
    }
    [reply] = patch_finder.answer([request(json.dumps(fields).encode(), "application/json", None)])
    answer = body_of(reply)
    away, on_patch = [], []
    for (_, label, (x, y)), row, explanation in zip(
        examples, answer["predictions"], answer["explanations"], strict=True
    ):
        assert row[0]["index"] == explanation["index"] == label
        heat = np.asarray(painted(explanation), np.float64)
        assert heat.shape == (140, 210)
        rows, columns = np.indices(heat.shape)
        away.append((np.average(columns, weights=heat) - x, np.average(rows, weights=heat) - y))
        on_patch.append(heat[y - 14 : y + 14, x - 14 : x + 14].mean() / heat[9:131, 44:166].mean())
    # A map that knows nothing has its middle in the picture's, and as much heat on the patch as elsewhere.
    knowing_nothing = np.array([(105 - x, 70 - y) for _, _, (x, y) in examples])
    assert np.abs(away).mean() < 0.85 * np.abs(knowing_nothing).mean()
    assert np.mean(on_patch) > 1.2


def test_two_patches_each_class_has_its_own_heat(patch_finder: BuiltIn) -> None:
    pixels = np.random.default_rng(1).integers(0, 90, (140, 140, 3), dtype=np.uint8)
    pixels[56:84, 20:48] = (255, 0, 0)
    pixels[56:84, 92:120] = (0, 0, 255)
    middles = {}
    for label in ("red", "blue"):
        fields = {"image": b64(as_file(pixels)), "explain": {"label": label, "view": "map"}}
        [reply] = patch_finder.answer([request(json.dumps(fields).encode(), "application/json", None)])
        explanation = body_of(reply)["explanation"]
        assert (explanation["label"], explanation["layer"]) == (label, "layer4")
        heat = np.asarray(painted(explanation), np.float64).sum(axis=0)
        middles[label] = np.average(np.arange(140), weights=heat)
    assert middles["red"] < 70 < middles["blue"]


# Asking for it, over HTTP


@pytest.fixture(scope="module")
def expected(server: ServerProcess, picture: bytes) -> list[dict]:
    """What the picture is answered without an explanation."""
    return server.post(picture).json["predictions"]


def post(server: ServerProcess, body: bytes | str, content_type: str, **headers: str) -> Answer:
    return server.request("POST", "/invocations", body, {"Content-Type": content_type, **headers})


@pytest.mark.parametrize(
    "headers",
    [
        {"Accept": EXPLAIN_JSON},
        {"Accept": 'Application/JSON; Explain="true"'},
        {"Accept": "text/csv;q=0.1, application/json;explain=overlay"},
        {"Accept": "*/*;explain=true"},
        {ATTRIBUTES: "explain=true"},
        {ATTRIBUTES: "trace-id=1,explain=true;c"},
        {ATTRIBUTES: "explain=map", "Accept": EXPLAIN_JSON},
    ],
)
def test_a_pictures_file_is_explained_beside_its_prediction(server: ServerProcess, picture, expected, headers) -> None:
    answer = post(server, picture, "image/jpeg", **headers)
    assert answer.headers["content-type"] == "application/json"
    assert list(answer.json) == ["predictions", "explanation"]
    assert answer.json["predictions"] == expected
    explanation = answer.json["explanation"]
    assert painted(explanation).mode == "RGB"
    assert explanation | {"image": ""} == {
        "label": expected[0]["label"],
        "index": expected[0]["index"],
        "method": "grad-cam",
        "layer": "layer2",
        "width": 80,
        "height": 64,
        "image": "",
    }


@pytest.mark.parametrize("headers", [{"Accept": "application/json;explain=false"}, {ATTRIBUTES: "explain=false,x"}, {}])
def test_without_it_the_answer_is_as_ever(server: ServerProcess, picture, expected, headers) -> None:
    assert post(server, picture, "image/jpeg", **headers).json == {"predictions": expected}
    off = json.dumps({"image": b64(picture), "explain": False})
    assert post(server, off, "application/json", Accept=EXPLAIN_JSON).json == {"predictions": expected}


def test_json_says_which_class_how_and_how_large(server: ServerProcess, picture, expected) -> None:
    def explain(wish: object) -> dict:
        body = json.dumps({"image": b64(picture), "explain": wish})
        answer = post(server, body, "application/json").json
        assert answer["predictions"] == expected
        return answer["explanation"]

    assert explain(True)["index"] == expected[0]["index"]
    by_label = explain({"label": CLASSES[1], "view": "map", "size": 20})
    assert (by_label["index"], painted(by_label).mode, painted(by_label).size) == (1, "L", (20, 16))
    assert explain({"index": 1, "view": "map", "size": 20}) == by_label
    assert explain({"index": 1.0, "view": "map", "size": 2e1}) == by_label
    assert explain({"index": 2})["label"] == CLASSES[2]


def test_of_a_list_each_picture_is_explained_or_not(server: ServerProcess, pictures) -> None:
    instances = [
        {"b64": b64(pictures[0])},
        {"b64": b64(pictures[1]), "explain": {"index": 0}},
        b64(pictures[2]),
        {"b64": b64(pictures[3]), "explain": True},
    ]
    body = json.dumps({"instances": instances})
    answer = post(server, body, "application/json").json
    assert [bool(each) for each in answer["explanations"]] == [False, True, False, True]
    assert answer["explanations"][1]["index"] == 0
    assert answer["explanations"][3]["index"] == answer["predictions"][3][0]["index"]

    lines = post(server, body, "application/json", Accept="application/jsonlines").body.decode().splitlines()
    assert [json.loads(line).get("explanation") for line in lines] == answer["explanations"]

    instances[1]["explain"] = False
    body = json.dumps({"instances": instances, "explain": {"view": "map"}})
    answer = post(server, body, "application/json").json
    modes = [painted(each).mode if each else None for each in answer["explanations"]]
    assert modes == ["L", None, "L", "RGB"]


def test_arrays_and_forms_are_explained_by_their_headers(server: ServerProcess, pictures) -> None:
    data = io.BytesIO()
    np.save(data, np.zeros((2, 30, 40, 3), np.uint8))
    answer = post(server, data.getvalue(), "application/x-npy", Accept=EXPLAIN_JSON).json
    assert [painted(each).size for each in answer["explanations"]] == [(40, 30), (40, 30)]
    form = b'--a\r\nContent-Disposition: form-data; name="i"; filename="i"\r\n\r\n' + pictures[0] + b"\r\n--a--\r\n"
    answer = post(server, form, "multipart/form-data; boundary=a", Accept=EXPLAIN_JSON).json
    assert painted(answer["explanation"]).size == (80, 64)


@pytest.mark.parametrize("accept", ["text/csv", "application/x-npy", "application/json;format=index", "*/csv"])
def test_406_for_types_that_hold_no_picture(server: ServerProcess, picture, accept: str) -> None:
    answer = post(server, picture, "image/jpeg", Accept=f"{accept};explain=true")
    assert answer.status == 406
    assert "application/json" in answer.error


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ("yes", "explain is true, false or an object"),
        (None, "explain is true, false or an object"),
        ({"colour": "red"}, "no field 'colour'; it may have label, index, view, size"),
        ({"label": 3}, "explain.label is not a class name"),
        ({"label": "bard"}, "no class 'bard'; did you mean 'bird'?"),
        ({"label": "zzz"}, "no class 'zzz'; the first of them is 'cat'"),
        ({"index": 3}, "there is no class 3; they go from 0 to 2"),
        ({"index": -1}, "there is no class -1"),
        ({"index": True}, "explain.index is not a whole number"),
        ({"index": 1, "label": "cat"}, "both a label and an index"),
        ({"view": "jet"}, "explain.view is 'jet'; it is overlay or map"),
        ({"size": LARGEST + 1}, "explain.size is not a whole number from 1 to 1024"),
        ({"size": "big"}, "explain.size is not"),
        ({"size": 20.5}, "explain.size is not"),
    ],
)
def test_400_says_what_would_be_right(server: ServerProcess, picture, wish: object, message: str) -> None:
    answer = post(server, json.dumps({"image": b64(picture), "explain": wish}), "application/json")
    assert answer.status == 400
    assert message in answer.error


def test_400_names_the_instance_and_the_header(server: ServerProcess, picture) -> None:
    body = json.dumps({"instances": [b64(picture), {"b64": b64(picture), "explain": 1}]})
    assert "instances[1].explain is" in post(server, body, "application/json").error
    answer = post(server, picture, "image/jpeg", **{ATTRIBUTES: "explain=please"})
    assert (answer.status, "'please'; it is true, false, overlay or map" in answer.error) == (400, True)
    answer = post(server, picture, "image/jpeg", **{ATTRIBUTES: "x" * 1025})
    assert (answer.status, f"{ATTRIBUTES} header is longer than 1024" in answer.error) == (400, True)


def test_413_for_too_many_explanations(server: ServerProcess, picture) -> None:
    body = json.dumps({"instances": [b64(picture)] * (MAX_EXPLAINED + 1), "explain": True})
    answer = post(server, body, "application/json")
    assert (answer.status, "33 pictures are to be explained; at most 32" in answer.error) == (413, True)


def test_422_of_a_list_names_the_picture(server: ServerProcess, picture) -> None:
    body = json.dumps({"instances": [b64(picture), b64(picture[:200])], "explain": True})
    answer = post(server, body, "application/json")
    assert (answer.status, "picture 1: " in answer.error) == (422, True)


# Beside other requests


def test_explained_and_other_requests_share_a_pass_and_fail_alone(patch_finder: BuiltIn) -> None:
    passes: list[int] = []
    hook = patch_finder._predictor._load_eager().model.register_forward_hook(
        lambda _module, inputs, _out: passes.append(len(inputs[0]))
    )
    dice = np.random.default_rng(3)
    file = as_file(with_patch(dice, 128, 128)[0])
    plain, explained, again = (
        request(file, accept=None), request(file), request(file, accept="application/json;explain=map")
    )  # fmt: skip
    try:
        replies = patch_finder.answer([plain, request(file[:100]), explained, request(file, deadline=0), again])
    finally:
        hook.remove()
    assert passes == [3, 2], "all of them, and those that are explained"
    assert [reply.status for reply in replies] == [200, 422, 200, 504, 200]
    first, third, last = (body_of(replies[place]) for place in (0, 2, 4))
    assert list(first) == ["predictions"]
    assert first["predictions"] == third["predictions"] == last["predictions"]
    assert (painted(third["explanation"]).mode, painted(last["explanation"]).mode) == ("RGB", "L")


def test_more_explanations_than_a_batch_keep_their_order(patch_finder: BuiltIn) -> None:
    pixels = [np.zeros((30 + number, 40, 3), np.uint8) for number in range(MAX_EXPLAINED)]
    fields = {"instances": [b64(as_file(each)) for each in pixels], "explain": True}
    answer = body_of(patch_finder.answer([request(json.dumps(fields).encode(), "application/json")])[0])
    assert [each["height"] for each in answer["explanations"]] == [30 + number for number in range(MAX_EXPLAINED)]


def test_413_for_explanations_that_make_the_answer_too_large(patch_finder: BuiltIn) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1024, 1024, 3), dtype=np.uint8)
    fields = {"instances": [b64(as_file(noise, compress_level=1))] * 6, "explain": {"size": 1024}}
    [reply] = patch_finder.answer([request(json.dumps(fields).encode(), "application/json")])
    assert (reply.status, b"more than 16 MiB" in reply.body) == (413, True)


def test_a_broken_network_gives_500_and_no_explanation(patch_finder: BuiltIn, picture: bytes) -> None:
    model, card = build_model("test_resnet", 2), patch_finder._predictor.card
    model.fc.weight.data[0] = float("nan")
    broken = BuiltIn(by_torch(model, card), ServeConfig.from_environment({}))
    [reply] = broken.answer([request(picture)])
    assert (reply.status, b"not a number" in reply.body) == (500, True)


def test_what_the_body_says_counts_more_than_the_headers() -> None:
    header = ExplainRequest(view="map")
    body = json.dumps({"instances": ["aGVsbG8=", {"b64": "aGVsbG8=", "explain": {"size": 9}}], "explain": False})
    assert decode("application/json", body.encode(), 9, header).explain == [None, ExplainRequest(size=9)]
    assert decode("application/json", b'"aGVsbG8="', 9, header).explain == [header]
    with pytest.raises(RequestError, match=r"instances\[0\]\.explain\.view"):
        decode("application/json", b'{"instances": [{"b64": "aGVsbG8=", "explain": {"view": 1}}]}', 9)
