"""The Open Inference Protocol of a real server: with Triton's own client, and with requests that are wrong."""

import base64
import io
import json
import signal
import socket
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import tritonclient.http as triton
from openapi_spec_validator import OpenAPIV31SpecValidator
from tritonclient.utils import InferenceServerException

from tests.serve.conftest import CLASSES
from tests.serve.rounding import ROUNDING
from tests.serve.scrape import Scrape, free_port
from tests.serve.server_process import PATIENCE_S, Answer, ServerProcess, await_true

INFER = "/v2/models/dogs/infer"
HEADER = "Inference-Header-Content-Length"
JSON, BINARY = {"Content-Type": "application/json"}, {"Content-Type": "application/octet-stream"}

PIXELS = np.random.default_rng(0).integers(0, 256, (2, 40, 50, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def metrics_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def v2(model_dir: Path, metrics_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server whose model is called dogs: body limit 1 MiB, at most 4 pictures."""
    server = ServerProcess(
        tmp_path_factory.mktemp("empty"),
        tmp_path_factory.mktemp("log"),
        SLIPWAY_MODEL_DIR=str(model_dir),
        SLIPWAY_KSERVE="true",
        SLIPWAY_MODEL_NAME="dogs",
        SLIPWAY_OPENAPI="true",
        SLIPWAY_METRICS_PORT=str(metrics_port),
        SLIPWAY_MAX_PICTURES="4",
        SAGEMAKER_MAX_PAYLOAD_IN_MB="1",
    )
    try:
        server.await_ready()
        yield server
        assert "event=bug" not in server.log
        assert server.stop() == 0, server.log
        assert server.errors == ""
    finally:
        server.kill()


@pytest.fixture(scope="module")
def client(v2: ServerProcess) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(
        f"127.0.0.1:{v2.port}", connection_timeout=PATIENCE_S, network_timeout=PATIENCE_S
    ) as client:
        yield client


def files(*pictures: bytes, shape: tuple[int, ...] = ()) -> triton.InferInput:
    array = np.array(pictures, dtype=object).reshape(shape or -1)
    return triton.InferInput("image", [*array.shape], "BYTES").set_data_from_numpy(array)


def pixels(array: np.ndarray, *, binary: bool = True) -> triton.InferInput:
    return triton.InferInput("image", [*array.shape], "UINT8").set_data_from_numpy(array, binary_data=binary)


def scores(server: ServerProcess, body: bytes | str, content_type: str) -> np.ndarray:
    """All probabilities, as /invocations gives them."""
    answer = server.post(body, content_type, "application/x-npy")
    assert answer.status == 200
    return np.load(io.BytesIO(answer.body))


def error_of(answer: Answer) -> str:
    """An error's message, whose form is checked on the way."""
    assert answer.headers["content-type"] == "application/json"
    assert len(answer.headers["x-request-id"]) == 36
    assert list(answer.json) == ["error"]
    return str(answer.json["error"])


def test_the_client_finds_server_and_model(client: triton.InferenceServerClient) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("dogs")
    assert client.is_model_ready("dogs", model_version="1")
    assert not client.is_model_ready("cats")
    assert not client.is_model_ready("dogs", model_version="2")
    assert client.get_server_metadata()["extensions"] == ["binary_tensor_data", "classification"]
    metadata = client.get_model_metadata("dogs", model_version="1")
    assert metadata == client.get_model_metadata("dogs")
    assert metadata == {
        "name": "dogs",
        "versions": ["1"],
        "platform": "slipway_resnet18",
        "inputs": [{"name": "image", "datatype": "BYTES", "shape": [-1]}],
        "outputs": [
            {"name": "probabilities", "datatype": "FP32", "shape": [-1, len(CLASSES)]},
            {"name": "label", "datatype": "BYTES", "shape": [-1]},
        ],
    }


def test_the_client_has_picture_files_classified(
    client: triton.InferenceServerClient, v2: ServerProcess, pictures: list[bytes]
) -> None:
    instances = [base64.b64encode(picture).decode() for picture in pictures[:3]]
    wanted = scores(v2, json.dumps({"instances": instances}), "application/json")
    for shape in ((3,), (3, 1)):
        result = client.infer("dogs", [files(*pictures[:3], shape=shape)], request_id="mine")
        assert np.allclose(result.as_numpy("probabilities"), wanted, atol=ROUNDING)
        assert [label.decode() for label in result.as_numpy("label")] == [CLASSES[row.argmax()] for row in wanted]
        response = result.get_response()
        assert (response["model_name"], response["model_version"], response["id"]) == ("dogs", "1", "mine")


def test_the_client_has_pixels_classified(client: triton.InferenceServerClient, v2: ServerProcess) -> None:
    body = io.BytesIO()
    np.save(body, PIXELS)
    wanted = scores(v2, body.getvalue(), "application/x-npy")
    for binary in (True, False):
        result = client.infer("dogs", [pixels(PIXELS, binary=binary)], model_version="1")
        assert np.allclose(result.as_numpy("probabilities"), wanted, atol=ROUNDING)


def test_the_outputs_are_those_that_are_asked_for(client: triton.InferenceServerClient, pictures: list[bytes]) -> None:
    asked = [
        triton.InferRequestedOutput("label", binary_data=False),
        triton.InferRequestedOutput("probabilities", binary_data=True),
    ]
    result = client.infer("dogs", [files(*pictures[:2])], outputs=asked)
    label, probabilities = result.get_response()["outputs"]
    assert (label["name"], label["data"]) == ("label", [*result.as_numpy("label")])
    assert (probabilities["name"], probabilities["parameters"]) == ("probabilities", {"binary_data_size": 24})
    assert result.as_numpy("probabilities").sum(axis=1) == pytest.approx([1, 1], abs=1e-5)

    alone = client.infer("dogs", [files(pictures[0])], outputs=[triton.InferRequestedOutput("label")])
    assert [output["name"] for output in alone.get_response()["outputs"]] == ["label"]


@pytest.mark.parametrize(("count", "given"), [(2, 2), (9, len(CLASSES))])
def test_classes_are_named_in_tritons_form(
    client: triton.InferenceServerClient, pictures: list[bytes], count: int, given: int
) -> None:
    asked = [triton.InferRequestedOutput("probabilities", class_count=count)]
    rows = client.infer("dogs", [files(*pictures[:2])], outputs=asked).as_numpy("probabilities")
    probabilities = client.infer("dogs", [files(*pictures[:2])]).as_numpy("probabilities")
    assert rows.shape == (2, given)
    for texts, row in zip(rows, probabilities, strict=True):
        order = row.argsort()[::-1][:given]
        for text, index in zip(texts, order, strict=True):
            value, place, label = text.decode().split(":", 2)
            assert (float(value), int(place), label) == (
                pytest.approx(row[index], abs=ROUNDING + 1e-6), index, CLASSES[index]
            )  # fmt: skip


def body_of(**changes: Any) -> dict[str, Any]:
    """A good request with pixels in its JSON, changed: fields of the input; `request` is those of the whole."""
    whole = changes.pop("request", {})
    tensor = {"name": "image", "datatype": "UINT8", "shape": [1, 2, 2, 3], "data": [*range(12)], **changes}
    return {"inputs": [{key: value for key, value in tensor.items() if value is not None}], **whole}


def post(server: ServerProcess, body: dict[str, Any] | bytes, path: str = INFER, **headers: str) -> Answer:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return server.request("POST", path, data, JSON | headers)


def test_json_is_answered_in_json(v2: ServerProcess, picture: bytes) -> None:
    data = [base64.b64encode(picture).decode()]
    answer = post(v2, body_of(datatype="BYTES", shape=[1], data=data, request={"parameters": None, "id": None}))
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert HEADER.lower() not in answer.headers
    probabilities, label = answer.json["outputs"]
    [row] = scores(v2, picture, "image/jpeg")
    assert probabilities["shape"] == [1, len(CLASSES)]
    assert np.allclose(probabilities["data"], row, atol=ROUNDING)
    assert (label["shape"], label["data"]) == ([1], [CLASSES[row.argmax()]])
    assert "id" not in answer.json


def test_nested_data_has_the_shape_that_it_says(v2: ServerProcess) -> None:
    flat = post(v2, body_of()).json["outputs"]
    for data in (np.arange(12).reshape(1, 2, 2, 3).tolist(), np.arange(12).reshape(1, 12).tolist()):
        assert post(v2, body_of(data=data)).json["outputs"] == flat


def binary(size: int, data: bytes, **changes: Any) -> tuple[bytes, dict[str, str]]:
    """A request whose data follow its JSON."""
    text = json.dumps(body_of(data=None, parameters={"binary_data_size": size}, **changes)).encode()
    return text + data, BINARY | {HEADER: str(len(text))}


def cut(*elements: bytes) -> bytes:
    return b"".join(struct.pack("<I", len(element)) + element for element in elements)


def element_count(count: int) -> dict[str, Any]:
    return {"datatype": "BYTES", "shape": [count]}


WRONG: dict[str, tuple[Any, int, str]] = {
    "no JSON": (b"{", 400, "the body is not JSON"),
    "no object": (b"[1]", 400, 'an object with "inputs"'),
    "an empty body": (b"", 400, "the body is not JSON"),
    "no inputs": ({}, 400, "inputs must be a list of one tensor, the input 'image'"),
    "two inputs": ({"inputs": body_of()["inputs"] * 2}, 400, "a list of one tensor"),
    "an unknown input": (body_of(name="input_1"), 400, "no input 'input_1'; the model's only input is 'image'"),
    "a wrong datatype": (body_of(datatype="FP32"), 400, "of datatype 'FP32'; send BYTES (picture files) or UINT8"),
    "no shape": (body_of(shape=None), 400, "the shape of 'image' is None"),
    "a shape of nothing": (body_of(shape=[0, 2, 2, 3]), 400, "positive integers"),
    "a shape of fractions": (body_of(shape=[1.0, 2, 2, 3]), 400, "positive integers"),
    "channels first": (body_of(shape=[1, 3, 2, 2]), 400, "must be [pictures, height, width, 3]"),
    "too few numbers": (body_of(data=[1, 2]), 400, "[1, 2, 2, 3] needs 12 values in the data of 'image', which has 2"),
    "a huge shape": (body_of(shape=[1, 10**30, 2, 3]), 400, "which has 12"),
    "ragged data": (body_of(data=[[[[1, 2, 3], [4, 5]], [[6, 7, 8], [9, 10, 11]]]]), 400, "[3] needs 3 values"),
    "half nested data": (body_of(data=[[1] * 11, *range(11)]), 400, "needs 1 values"),
    "too large a number": (body_of(data=[256] * 12), 400, "whole numbers from 0 to 255"),
    "fractions": (body_of(data=[0.5] * 12), 400, "whole numbers from 0 to 255"),
    "texts for numbers": (body_of(data=["1"] * 12), 400, "whole numbers from 0 to 255"),
    "no data": (body_of(data=None), 400, "neither a list as data nor the parameter binary_data_size"),
    "shared memory": (body_of(data=None, parameters={"shared_memory_region": "x"}), 400, "shared memory"),
    "parameters of no object": (body_of(parameters=[1]), 400, "the parameters of image must be an object"),
    "binary data without a header": (body_of(data=None, parameters={"binary_data_size": 12}), 400, "but 0 follow"),
    "files of two dimensions": (body_of(datatype="BYTES", shape=[1, 2], data=["a"]), 400, "it must be [pictures]"),
    "files of another count": (body_of(datatype="BYTES", shape=[2], data=["a"]), 400, "2 strings"),
    "numbers for files": (body_of(datatype="BYTES", shape=[1], data=[1]), 400, "element 0 of 'image' is not a string"),
    "no base64": (body_of(datatype="BYTES", shape=[2], data=["YQ==", "?"]), 400, "element 1 of 'image' is not base64"),
    "an address": (body_of(datatype="BYTES", shape=[1], data=["s3://a/b"]), 400, "the server does not fetch"),
    "an unknown output": (
        body_of(request={"outputs": [{"name": "logits"}]}), 400,
        "no output 'logits'; the outputs are 'probabilities' and 'label'",
    ),
    "an output twice": (body_of(request={"outputs": [{"name": "label"}] * 2}), 400, "names an output twice"),
    "outputs of no list": (body_of(request={"outputs": {"name": "label"}}), 400, "outputs must be a list"),
    "classes of labels": (
        body_of(request={"outputs": [{"name": "label", "parameters": {"classification": 2}}]}), 400, "for 'probab"
    ),
    "no number of classes": (
        body_of(request={"outputs": [{"name": "probabilities", "parameters": {"classification": -1}}]}), 400,
        "must be a number of classes",
    ),
    "an output in shared memory": (
        body_of(request={"outputs": [{"name": "label", "parameters": {"shared_memory_region": "x"}}]}), 400, "memory"
    ),
    "a flag of no truth": (
        body_of(request={"parameters": {"binary_data_output": 1}}), 400, "must be true or false"
    ),
    "an id of no text": (body_of(request={"id": 7}), 400, "id is not a string"),
    "binary data cut short": (binary(12, b"x" * 11), 400, "announces 12 bytes of binary data, but 11 follow the JSON"),
    "binary data of another shape": (binary(11, b"x" * 11), 400, "needs 12 bytes in the data of 'image'"),
    "data of both kinds": (body_of(parameters={"binary_data_size": 12}), 400, "has both data and the parameter"),
    "a binary size of no number": (body_of(data=None, parameters={"binary_data_size": "1"}), 400, "announces '1'"),
    "a header beyond the body": (
        (json.dumps(body_of()).encode(), JSON | {HEADER: "5000"}), 400, "announces 5000 bytes of JSON, but the body has"
    ),
    "a header of no number": ((b"{}", JSON | {HEADER: "-1"}), 400, f"{HEADER} header is not a number"),
    "a header that cuts the JSON": ((b"{ }", JSON | {HEADER: "2"}), 400, "JSON (2 bytes) is not JSON"),
    "an element cut short": (
        binary(8, struct.pack("<I", 100) + b"xxxx", **element_count(1)), 400, "element 0 of 'image' announces 100 bytes"
    ),
    "an element too few": (binary(5, cut(b"x"), **element_count(2)), 400, "ends before element 1 of 2"),
    "an element too many": (binary(10, cut(b"x", b"y"), **element_count(1)), 400, "5 bytes follow the last of the 1"),
    "too many pictures": (binary(25, cut(*[b"x"] * 5), **element_count(5)), 413, "5 pictures; at most 4 are allowed"),
    "too many values": (
        json.dumps(body_of(data=[])).replace("[]", "[" + "[]," * 130_000 + "1]").encode(), 413, "more than 250,000"
    ),
    "no picture": (binary(9, cut(b"hello"), **element_count(1)), 422, "picture 0: the picture cannot be decoded"),
    "a side too long": (
        binary(65_536 * 3, b"x" * 65_536 * 3, shape=[1, 65_536, 1, 3]), 422, "at most 65,535 pixels per side"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("asked", "status", "hint"), WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_is_said_in_the_protocols_form(v2: ServerProcess, asked: Any, status: int, hint: str) -> None:
    body, headers = asked if isinstance(asked, tuple) else (asked, {})
    answer = post(v2, body, **headers)
    message = error_of(answer)
    assert hint in message
    assert answer.status == status
    assert len(message) < 400


def test_an_unreadable_picture_is_named_to_the_client(client: triton.InferenceServerClient, picture: bytes) -> None:
    with pytest.raises(InferenceServerException, match="picture 1: the picture cannot be decoded") as caught:
        client.infer("dogs", [files(picture, b"hello", picture)])
    assert caught.value.status() == "422"


@pytest.mark.parametrize(("method", "path", "status", "hint"), [
    ("GET", "/v2/models/cats", 404, "there is no model 'cats'; the only one here is 'dogs'"),
    ("POST", "/v2/models/model/infer", 404, "there is no model 'model'"),
    ("POST", "/v2/models/dogs/versions/2/infer", 404, "no version '2'; every model's only version is '1'"),
    ("GET", "/v2/models/%ff", 400, "not UTF-8"),
    ("GET", "/v2/models", 404, "the routes are GET /v2, "),
    ("GET", "/v2/repository/index", 404, "the routes are GET /v2, "),
    ("GET", INFER, 405, "takes POST only"),
    ("POST", "/v2/models/dogs", 405, "takes GET and HEAD only"),
    ("POST", "/v2/health/ready", 405, "takes GET and HEAD only"),
])  # fmt: skip
def test_what_there_is_not(v2: ServerProcess, method: str, path: str, status: int, hint: str) -> None:
    answer = v2.request(method, path)
    assert (answer.status, hint in error_of(answer)) == (status, True)
    assert ("allow" in answer.headers) == (status == 405)


def test_the_limits_are_those_of_invocations(v2: ServerProcess) -> None:
    answer = post(v2, b" " * (1024 * 1024 + 1))
    assert (answer.status, error_of(answer)) == (413, "the request's body is larger than 1 MiB")
    answer = post(v2, b"x", **{"Content-Encoding": "gzip"})
    assert (answer.status, "compressed" in error_of(answer)) == (415, True)


@pytest.mark.parametrize("path", ["/v2", "/v2/", "/v2/health/live", "/v2/health/ready", "/v2/models/dogs/ready"])
def test_head_is_answered_as_get_is(v2: ServerProcess, path: str) -> None:
    head, got = v2.request("HEAD", path), v2.request("GET", path)
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(len(got.body)))


def test_it_is_counted_and_logged_as_an_invocation(v2: ServerProcess, metrics_port: int, pictures: list[bytes]) -> None:
    def counted(scrape: Scrape, at_least: float = 0) -> tuple[float, float] | None:
        invocations = scrape.value("slipway_requests_total", route="invocations", status="200")
        return (invocations, scrape.value("slipway_pictures_total")) if invocations >= at_least else None

    before = counted(Scrape(metrics_port))
    assert before
    body, headers = binary(len(cut(*pictures[:3])), cut(*pictures[:3]), **element_count(3))
    answer = post(v2, body, **headers)
    assert answer.status == 200
    after = await_true(lambda: counted(Scrape(metrics_port), before[0] + 1), "the request is counted")
    assert after == (before[0] + 1, before[1] + 3)
    [line] = await_true(lambda: v2.request_lines(answer), "the request is logged")
    assert (line["path"], line["bytes_in"]) == (INFER, str(len(body)))


def test_the_description_has_these_routes(v2: ServerProcess) -> None:
    described = v2.request("GET", "/openapi.json").json
    OpenAPIV31SpecValidator(described).validate()

    def check(answer: Answer, path: str, method: str = "get") -> None:
        content = described["paths"][path][method]["responses"][str(answer.status)]["content"]
        schema = content[answer.headers["content-type"]]["schema"]
        jsonschema.validate(answer.json, {**schema, "components": described["components"]})

    for path in ("/v2", "/v2/health/live", "/v2/health/ready"):
        check(v2.request("GET", path), path)
    model = "/v2/models/{model_name}"
    check(v2.request("GET", "/v2/models/dogs"), model)
    check(v2.request("GET", "/v2/models/dogs/ready"), f"{model}/ready")
    for asked in (body_of(), b"?"):
        check(post(v2, asked), f"{model}/infer", "post")
    request = described["paths"][f"{model}/infer"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    jsonschema.validate(body_of(), {**request, "components": described["components"]})


def test_the_protocol_is_off_unless_it_is_wanted(server: ServerProcess) -> None:
    for path in ("/v2", "/v2/health/ready", "/v2/models/model"):
        answer = server.request("GET", path)
        assert (answer.status, "there is nothing here" in answer.error) == (404, True)


def test_a_stopping_server_is_live_but_not_ready(base_dir: Path, start_server: Callable[..., ServerProcess]) -> None:
    metrics_port = free_port()
    server = start_server(base_dir, SLIPWAY_KSERVE="true", SLIPWAY_METRICS_PORT=str(metrics_port))
    server.await_ready()
    body = json.dumps(body_of()).encode()
    head = f"POST /v2/models/model/infer HTTP/1.1\r\nHost: here\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S) as connection:
        connection.sendall(head + body[:-1])
        await_true(lambda: Scrape(metrics_port).value("slipway_requests_in_flight") == 1, "the first part arrives")
        server.process.send_signal(signal.SIGTERM)
        await_true(lambda: server.events("draining"), "the drain begins")
        assert server.request("GET", "/v2/health/live").status == 200
        for path in ("/v2/health/ready", "/v2/models/model/ready"):
            answer = server.request("GET", path)
            assert (answer.status, error_of(answer)) == (503, "the server is stopping")
            assert answer.headers["retry-after"]
        answer = post(server, body, "/v2/models/model/infer")
        assert (answer.status, error_of(answer)) == (503, "the server is stopping")
        connection.sendall(body[-1:])
        answered = connection.makefile("rb").read()
    assert answered.startswith(b"HTTP/1.1 200")
    assert server.process.wait(PATIENCE_S) == 0
