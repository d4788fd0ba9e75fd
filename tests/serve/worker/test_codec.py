"""The codec's pure functions: any bytes under any type are pictures or a 4xx, never another exception."""

import csv
import io
import json

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from container.serve.protocol.accept import CSV, JSON, JSON_INDEX, JSON_LINES, NPY, OFFERED, choose, negotiate
from container.serve.protocol.open_inference import OpenInference
from container.serve.protocol.replies import Reply, RequestError
from container.serve.worker.open_inference.request import read_request
from container.serve.worker.request_body import Pictures, decode
from container.serve.worker.response_body import encode, top_k

TYPES = st.sampled_from(
    ["image/png", "application/x-image", "application/json", "application/x-npy", "multipart/form-data; boundary=x", ""]
)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.sampled_from(["image", "instances", "b64", "explain", "label", "size"]), inner)
    ),
    max_leaves=10,
)


def pictures_or_refusal(content_type: str | None, body: bytes) -> Pictures | None:
    """None for a proper refusal; whatever else is raised fails the test."""
    try:
        pictures = decode(content_type, body, max_pictures=10)
    except RequestError as error:
        refusal = (error.status, bool(error.message))
    else:
        assert 1 <= len(pictures.items) <= 10
        return pictures
    assert refusal in ((400, True), (413, True), (415, True))
    return None


@given(content_type=TYPES | st.none() | st.text(), body=st.binary())
@example(content_type="application/json", body=b"9" * 5000)
@example(content_type="application/x-npy", body=b"\x93NUMPY\x01\x00\xff\xff")
@example(content_type="multipart/form-data; boundary=" + "x" * 300, body=b"x")
def test_any_bytes(content_type: str | None, body: bytes) -> None:
    pictures_or_refusal(content_type, body)


@given(value=JSON_VALUES)
def test_any_json(value: object) -> None:
    pictures_or_refusal("application/json", json.dumps(value).encode())


def test_answers_in_json_say_what_is_rejected():
    rows = np.array([[0.6, 0.4], [0.55, 0.45]], np.float32)
    one = json.loads(encode(rows[:1], "ab", JSON, k=1, many=False, reject_below=0.6))
    assert one == {"predictions": [{"label": "a", "index": 0, "probability": 0.6}], "rejected": False}
    assert json.loads(encode(rows, "ab", JSON, k=1, many=True, reject_below=0.57))["rejected"] == [False, True]
    lines = encode(rows, "ab", JSON_LINES, k=1, many=True, reject_below=0.57).decode().splitlines()
    assert [json.loads(line)["rejected"] for line in lines] == [False, True]
    assert "rejected" not in json.loads(encode(rows, "ab", JSON, k=1, many=True))


@given(data=st.binary(min_size=1, max_size=200), twice=st.booleans())
def test_json_gives_back_the_file(data: bytes, twice: bool) -> None:
    import base64

    text = json.dumps(base64.b64encode(data).decode())
    pictures = decode("application/json", (json.dumps(text) if twice else text).encode(), 1)
    assert pictures == Pictures([data], many=False)


@given(
    array=st_numpy.arrays(
        st.sampled_from([np.uint8, np.int8, np.float32, np.bool_, np.dtype("U3")]),
        st_numpy.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=4),
    ),
    order=st.sampled_from("CF"),
)
def test_arrays_are_taken_if_they_are_pictures(array: np.ndarray, order: str) -> None:
    body = io.BytesIO()
    np.save(body, np.asarray(array, order=order))
    pictures = pictures_or_refusal("application/x-npy", body.getvalue())
    fits = array.dtype == np.uint8 and array.ndim in (3, 4) and array.shape[-1] == 3 and array.size > 0
    assert (pictures is not None) == fits
    if pictures:
        assert pictures.many == (array.ndim == 4)
        wanted = array if array.ndim == 4 else array[None]
        assert np.array_equal(np.stack(pictures.items), wanted)


@given(
    header=st.lists(
        st.sampled_from([
            "{", "}", "'descr'", "'fortran_order'", "'shape'", ": ", ", ", "'|u1'", "'|O'", "True", "(1 2, 4, 3)",
            "(4, 4, 3)", "(-2, -2, 3)", "(4, 4, 3e9)", "(4, 4", "9" * 5000, "\\", "'", "\n  ", "é", "1L",
            "[('a', 'u1')]",
        ])
    ).map("".join),
    version=st.integers(0, 4),
)  # fmt: skip
@example(header="{'descr': '|u1', 'fortran_order': False, 'shape': (1 2, 4, 3)}", version=1)
@example(header="{'descr': '|u1', 'fortran_order': False, 'shape': (-2, -2, 3)}", version=2)
def test_any_header_of_an_array(header: str, version: int) -> None:
    text = header.encode("latin-1")
    length = len(text).to_bytes(2 if version == 1 else 4, "little")
    pictures_or_refusal("application/x-npy", b"\x93NUMPY" + bytes([version, 0]) + length + text + b"\0" * 12)


@given(files=st.lists(st.binary(min_size=1, max_size=100), min_size=1, max_size=3))
def test_multipart_gives_back_the_files(files: list[bytes]) -> None:
    boundary = b"=_an-edge-that-no-file-has_="
    parts = (
        b"--%b\r\nContent-Type: image/png\r\nContent-Disposition: form-data; name=a; filename=b\r\n\r\n%b\r\n"
        % (boundary, file)
        for file in files
    )
    body = b"".join(parts) + b"--%b--\r\n" % boundary
    pictures = decode(f'multipart/form-data; boundary="{boundary.decode()}"', body, 3)
    assert pictures == Pictures(files, many=len(files) > 1)


TENSORS = st.fixed_dictionaries(
    {"name": st.sampled_from(["image", "x"]), "datatype": st.sampled_from(["BYTES", "UINT8", "FP32"])},
    optional={
        "shape": st.sampled_from([[1], [2, 1], [1, 1, 2, 3], [2, 1, 1, 3], [1, 2]]) | JSON_VALUES,
        "data": st.lists(st.integers(0, 300), max_size=6) | st.lists(st.lists(st.text(max_size=4))) | JSON_VALUES,
        "parameters": st.fixed_dictionaries({"binary_data_size": st.integers(0, 12)}) | JSON_VALUES,
    },
)
OUTPUTS = st.fixed_dictionaries({"name": st.sampled_from(["probabilities", "label"]), "parameters": JSON_VALUES})
REQUESTS = st.fixed_dictionaries(
    {"inputs": st.lists(TENSORS, max_size=2) | JSON_VALUES},
    optional={"id": JSON_VALUES, "parameters": JSON_VALUES, "outputs": st.lists(OUTPUTS) | JSON_VALUES},
)


@given(value=REQUESTS | JSON_VALUES, binary=st.binary(max_size=12), announced=st.integers(-3, 3) | st.none())
def test_any_inference_request(value: object, binary: bytes, announced: int | None) -> None:
    text = json.dumps(value).encode()
    json_bytes = None if announced is None else max(0, len(text) + announced)
    try:
        pictures, _ = read_request(OpenInference(model="m", json_bytes=json_bytes), text + binary, 10)
        outcome = (200, bool(pictures.items))
    except RequestError as error:
        outcome = (error.status, bool(error.message))
    assert outcome in ((200, True), (400, True), (413, True))


@given(array=st_numpy.arrays(np.uint8, st.tuples(*[st.integers(1, 3)] * 3, st.just(3))), nested=st.booleans())
def test_pixels_in_json_are_given_back(array: np.ndarray, nested: bool) -> None:
    data = array.tolist() if nested else array.ravel().tolist()
    tensor = {"name": "image", "datatype": "UINT8", "shape": array.shape, "data": data}
    pictures, _ = read_request(OpenInference(model="m"), json.dumps({"inputs": [tensor]}).encode(), 10)
    assert np.array_equal(np.stack(pictures.items), array)


ACCEPTS = st.lists(st.sampled_from([*OFFERED, "*/*", "text/*", "a/b", "*/*;q=0"])).map(",".join)


@given(accept=st.none() | st.text() | ACCEPTS, default=st.sampled_from([*OFFERED, "*/*", "text/csv,*/*", "a/b"]))
def test_any_accept_is_a_type_or_406(accept: str | None, default: str) -> None:
    try:
        outcome: str | int = choose(accept, default)
    except RequestError as error:
        outcome = error.status
    assert outcome in (*OFFERED, 406)


@given(
    accept=st.sampled_from([None, "*/*;explain=true", "application/json;explain=x", "text/csv"]),
    attributes=st.text() | st.lists(st.sampled_from(["explain=", "format=", "scores", "map", ",", ";"])).map("".join),
)
def test_any_attributes_are_a_form_or_a_refusal(accept: str | None, attributes: str) -> None:
    try:
        outcome: str | int = negotiate(accept, JSON, attributes).offer
    except RequestError as error:
        outcome = error.status
    assert outcome in (*OFFERED, 400, 406)


@pytest.mark.parametrize(
    ("accept", "default", "chosen"),
    [
        (None, JSON, JSON),
        ("  ", CSV, CSV),
        ("*/*", CSV, CSV),
        ("*/*", "*/*", JSON),
        ("*/*", "text/csv, */*", CSV),
        ("application/json;format=index", JSON, JSON_INDEX),
        ('application/json; format="index"; q=0.2, text/csv; q=0.1', JSON, JSON_INDEX),
        ("application/x-ndjson", JSON, JSON_LINES),
        ("text/html,application/*;q=0.8", JSON, JSON),
        ("text/csv;q=2, application/x-npy;q=0.1", JSON, NPY),
    ],
)
def test_accept_chooses(accept: str | None, default: str, chosen: str) -> None:
    assert choose(accept, default) == chosen


def test_top_k_orders_and_breaks_ties_by_index() -> None:
    [row] = top_k(np.array([[0.25, 0.5, 0.25]], np.float32), ("a", "b", "c"), 2)
    assert row == [
        {"label": "b", "index": 1, "probability": 0.5},
        {"label": "a", "index": 0, "probability": 0.25},
    ]


@given(
    probabilities=st_numpy.arrays(np.float32, (2, 4), elements=st.floats(0, 1, width=32)),
    classes=st.lists(st.text(), min_size=4, max_size=4),
)
def test_every_type_reads_back(probabilities: np.ndarray, classes: list[str]) -> None:
    rows = top_k(probabilities, classes, 3)

    def written(offer: str) -> bytes:
        return encode(probabilities, classes, offer, k=3, many=True)

    assert json.loads(written(JSON)) == {"predictions": rows}
    assert json.loads(encode(probabilities[:1], classes, JSON, k=3, many=False)) == {"predictions": rows[0]}
    assert json.loads(written(JSON_INDEX)) == probabilities.argmax(axis=1).tolist()
    assert [json.loads(line) for line in written(JSON_LINES).decode().split("\n")[:-1]] == [
        {"predictions": row} for row in rows
    ]
    table = list(csv.reader(io.StringIO(written(CSV).decode(), newline="")))
    assert [(label, float(value)) for label, value in table] == [
        (row[0]["label"], row[0]["probability"]) for row in rows
    ]
    assert np.array_equal(np.load(io.BytesIO(written(NPY))), probabilities)


@given(body=st.binary(), content_type=st.text(), status=st.integers(200, 599))
def test_a_frame_reads_back(body: bytes, content_type: str, status: int) -> None:
    reply = Reply(status=status, content_type=content_type, body=body).made_by(1, 2, 3.5)
    head, pieces = reply.pack()
    assert Reply.unpack(head, b"".join(pieces)) == reply
