"""What is refused, with which status: over HTTP, against a real server."""

import base64
import gzip
import http.client
import io
import json
import socket
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from container.serve.front.batch_transform import execution_parameters
from container.serve.settings.config import ServeConfig
from tests.serve.server_process import PATIENCE_S, ServerProcess


def npy(array: np.ndarray) -> bytes:
    data = io.BytesIO()
    np.save(data, array)
    return data.getvalue()


def png_of(width: int, height: int) -> bytes:
    """A PNG of a few hundred bytes that claims to be of any size."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 1000)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


VALID_B64 = base64.b64encode(b"not a picture").decode()

MALFORMED = {
    "empty body": (b"", "image/jpeg", "empty"),
    "no JSON": (b'{"image": ', "application/json", "not JSON"),
    "an open string": (b'{"image": "', "application/json", "Unterminated string starting at character 10"),
    "base64 without quotes": (b"iVBORw0KGgoAAAANSUhEUg==", "application/json", "base64 has to be in quotes"),
    "JSON nested deeply": (b"[" * 9_000, "application/json", "the body is not JSON"),
    "JSON of bytes that are no text": (b'"\xff\xfe"', "application/json", "not UTF-8"),
    "JSON without a picture": (b'{"picture": 1}', "application/json", '{"image": "<base64>"}'),
    "JSON with numbers": (b"[1, 2]", "application/json", "no picture"),
    "no base64": (b'"?!"', "application/json", "not base64"),
    "a bytes literal in JSON": (b'{"image": "b\'/9j/4AAQ\'"}', "application/json", "image is a Python bytes literal"),
    "a bytes literal as JSON": (b"b'/9j/4AAQ'", "application/json", "character 0; it is a Python bytes"),
    "a data URL without base64": (b'"data:image/svg+xml,%3Csvg"', "application/json", "a data URL that is not"),
    "an address": (b'{"instances": ["s3://dogs/1.jpg"]}', "application/json", "instances[0] is a URL"),
    "base64 cut short": (b'"/9j/4"', "application/json", "not base64"),
    "JSON lines with a bad one": (b'"aGVsbG8="\n{"image": \n', "application/jsonlines", "line 2 is not JSON"),
    "JSON lines with an empty one": (b'"aGVsbG8="\n\n"aGVsbG8="', "application/jsonl", "line 2 is not JSON"),
    "JSON lines without a picture": (b'"aGVsbG8="\n[1]', "application/jsonlines", "line 2 holds no picture"),
    "JSON lines with a bad base64": (b'{"image": "?"}', "application/jsonlines", "line 1: image is not base64"),
    "instances without any": (b'{"instances": []}', "application/json", "empty list"),
    "instance of another form": (b'{"instances": [{"b64": 1}]}', "application/json", "instances[0]"),
    "no npy": (b"nothing", "application/x-npy", "not a .npy file"),
    "npy cut short": (npy(np.zeros((4, 4, 3), np.uint8))[:-1], "application/x-npy", "bytes"),
    "npy of another shape": (npy(np.zeros((4, 4), np.uint8)), "application/x-npy", "shape (4, 4)"),
    "npy that claims to be huge": (
        npy(np.zeros((4, 4, 3), np.uint8)).replace(b"(4, 4, 3), }    ", b"(44444, 4, 3), }"),
        "application/x-npy",
        "needs 533328 bytes",
    ),
    "npy with a damaged shape": (
        npy(np.zeros((12, 4, 3), np.uint8)).replace(b"(12, 4, 3)", b"(1 2, 4, 3)"), "application/x-npy",
        "header cannot be read",
    ),
    "npy of less than nothing": (
        npy(np.zeros((2, 2, 3), np.uint8)).replace(b"(2, 2, 3), }  ", b"(-2, -2, 3), }"), "application/x-npy",
        "shape (-2, -2, 3)",
    ),
    "npy with a long header": (
        b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + b"{" * 9000, "application/x-npy", "header cannot be read"
    ),
    "multipart without boundary": (b"--a--", "multipart/form-data", "boundary"),
    "multipart of something else": (b"hello", "multipart/form-data; boundary=a", "form"),
    "multipart cut short": (
        b'--a\r\nContent-Disposition: form-data; name="i"; filename="i"\r\n\r\nabc',
        "multipart/form-data; boundary=a",
        "last",
    ),
    "multipart without a file": (
        b'--a\r\nContent-Disposition: form-data; name="i"\r\n\r\nabc\r\n--a--\r\n', "multipart/form-data; boundary=a",
        "no file",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("body", "content_type", "hint"), MALFORMED.values(), ids=MALFORMED.keys())
def test_400_for_what_is_not_what_it_says(server: ServerProcess, body, content_type, hint) -> None:
    answer = server.post(body, content_type)
    assert answer.status == 400
    assert hint in answer.error


def test_a_batch_transform_job_is_told_what_may_be_sent_at_a_time(server: ServerProcess) -> None:
    """SageMaker takes no more than 100 MB of all requests at a time together."""
    answer = server.request("GET", "/execution-parameters")
    assert answer.status == 200
    assert answer.json == {"MaxConcurrentTransforms": 16, "BatchStrategy": "SINGLE_RECORD", "MaxPayloadInMB": 1}


@pytest.mark.parametrize(
    ("megabytes", "requests", "wanted"),
    [("25", "128", (4, 25)), ("6", "128", (16, 6)), ("6", "3", (3, 6)), ("1024", "128", (1, 100))],
)
def test_requests_of_the_largest_size_fit_into_a_transform_job(
    megabytes: str, requests: str, wanted: tuple[int, int]
) -> None:
    config = ServeConfig.from_environment({"SAGEMAKER_MAX_PAYLOAD_IN_MB": megabytes, "SLIPWAY_MAX_REQUESTS": requests})
    fields = json.loads(execution_parameters(config, workers=1).body)
    assert (fields["MaxConcurrentTransforms"], fields["MaxPayloadInMB"]) == wanted


def test_400_for_a_header_without_end(server: ServerProcess, picture) -> None:
    answer = server.post(picture, accept="text/csv," * 1000)
    assert (answer.status, "Accept" in answer.error) == (400, True)


@pytest.mark.parametrize("path", ["/", "/models", "/models/model", "/predictions/model", "/%2e"])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
def test_404_for_everything_else_management_included(server: ServerProcess, method: str, path: str) -> None:
    answer = server.request(method, path + "?url=http://127.0.0.1:1/evil.mar&initial_workers=1")
    assert (answer.status, "GET /execution-parameters and POST /invocations" in answer.error) == (404, True)


@pytest.mark.parametrize(("method", "path", "allowed"), [
    ("GET", "/invocations", "POST"), ("DELETE", "/invocations", "POST"), ("POST", "/ping", "GET, HEAD"),
    ("POST", "/execution-parameters", "GET, HEAD")
])  # fmt: skip
def test_405_names_the_method(server: ServerProcess, method: str, path: str, allowed: str) -> None:
    answer = server.request(method, path)
    assert (answer.status, answer.headers["allow"]) == (405, allowed)
    assert allowed.replace(", ", " and ") in answer.error


@pytest.mark.parametrize(
    "accept", ["image/png", "application/json;q=0", "application/json;format=xml", "text/html, image/*"]
)
def test_406_names_the_types(server: ServerProcess, picture, accept: str) -> None:
    answer = server.post(picture, accept=accept)
    assert answer.status == 406
    assert "application/json;format=index" in answer.error


def test_413_by_content_length_is_said_before_the_body_is_sent(server: ServerProcess) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S) as connection:
        connection.sendall(
            b"POST /invocations HTTP/1.1\r\nHost: here\r\nContent-Length: 1048577\r\nExpect: 100-continue\r\n\r\n"
        )
        response = http.client.HTTPResponse(connection)
        response.begin()
        assert response.status == 413
        assert b"larger than 1 MiB" in response.read()


def test_413_while_a_body_of_unknown_length_streams(server: ServerProcess) -> None:
    pieces = (b"x" * 65536 for _ in range(17))
    answer = server.request("POST", "/invocations", pieces, {"Transfer-Encoding": "chunked"}, chunked=True)
    assert (answer.status, "larger than 1 MiB" in answer.error) == (413, True)


def test_a_body_of_exactly_the_limit_is_taken(server: ServerProcess, picture) -> None:
    padded = picture + b"\0" * (1024 * 1024 - len(picture))
    assert server.post(padded).status == 200
    chunks = (padded[start : start + 65536] for start in range(0, len(padded), 65536))
    headers = {"Transfer-Encoding": "chunked", "Content-Type": "image/jpeg"}
    assert server.request("POST", "/invocations", chunks, headers, chunked=True).status == 200


def test_413_for_too_many_pictures(server: ServerProcess) -> None:
    body = json.dumps({"instances": [{"b64": VALID_B64}] * 41})
    answer = server.post(body, "application/json")
    assert (answer.status, "41 pictures; at most 40" in answer.error) == (413, True)
    answer = server.post(npy(np.zeros((41, 1, 1, 3), np.uint8)), "application/x-npy")
    assert (answer.status, "41 pictures; at most 40" in answer.error) == (413, True)


def test_415_for_other_types(server: ServerProcess, picture) -> None:
    answer = server.post(picture, "text/plain")
    assert (answer.status, "image/*" in answer.error) == (415, True)
    answer = server.post(npy(np.zeros((4, 4, 3), np.float32)), "application/x-npy")
    assert (answer.status, "uint8" in answer.error) == (415, True)


def test_415_for_a_compressed_body(server: ServerProcess, picture) -> None:
    answer = server.request("POST", "/invocations", gzip.compress(picture), {"Content-Encoding": "gzip"})
    assert (answer.status, "compressed" in answer.error) == (415, True)


def test_415_is_never_a_pickle(server: ServerProcess) -> None:
    data = io.BytesIO()
    np.save(data, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    assert server.post(data.getvalue(), "application/x-npy").status == 415


@pytest.mark.parametrize("body", [b"no picture", b"\xff\xd8\xff\xe0" + b"\0" * 100, b"%!PS-Adobe-3.0 EPSF-3.0\n"])
def test_422_for_what_cannot_be_decoded(server: ServerProcess, body: bytes) -> None:
    answer = server.post(body)
    assert (answer.status, "cannot be decoded" in answer.error) == (422, True)


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (base64.b64encode(b"\xff\xd8\xff" * 50), "text in base64"),
        (b"b'\\xff\\xd8\\xff'", "a Python bytes literal"),
        (b"data:image/jpeg;base64,/9j/4AAQ", "a data URL"),
        (b'{"image": "/9j/4AAQ"}', "JSON"),
        (b"<html><title>403 Forbidden</title>", "a web page"),
    ],
)
def test_422_names_what_is_sent_in_place_of_a_file(server: ServerProcess, body: bytes, found: str) -> None:
    answer = server.post(body, "application/octet-stream")
    assert (answer.status, found in answer.error) == (422, True)


def test_422_for_a_truncated_picture(server: ServerProcess, picture) -> None:
    answer = server.post(picture[: len(picture) // 2])
    assert (answer.status, "cannot be decoded" in answer.error) == (422, True)


def test_422_for_a_decompression_bomb(server: ServerProcess) -> None:
    answer = server.post(png_of(50_000, 50_000), "image/png")
    assert answer.status == 422
    assert "50000 x 50000" in answer.error


@pytest.mark.parametrize("elongated", [(1_000_000, 1), (1, 1_000_000), (65_536, 3)])
def test_422_for_a_side_that_no_decoder_can_hold(server: ServerProcess, elongated: tuple[int, int]) -> None:
    """The status does not invite a retry, which would get the same answer."""
    answer = server.post(png_of(*elongated), "image/png")
    assert (answer.status, "at most 65,535 per side" in answer.error) == (422, True)
    answer = server.post(npy(np.zeros((65_536, 1, 3), np.uint8)), "application/x-npy")
    assert (answer.status, "at most 65,535 pixels per side" in answer.error) == (422, True)


def test_422_names_the_picture_of_a_list(server: ServerProcess, picture) -> None:
    good = base64.b64encode(picture).decode()
    answer = server.post(json.dumps({"instances": [good, good, VALID_B64]}), "application/json")
    assert (answer.status, answer.error.startswith("picture 2: ")) == (422, True)


def test_no_answer_tells_a_path_or_a_version(server: ServerProcess, picture) -> None:
    for body, content_type, _ in MALFORMED.values():
        message = server.post(body, content_type).error
        assert not any(word in message for word in ("/tmp", ".py", "Traceback", "0x", "multi-model"))


def test_tiny_and_elongated_pictures_are_answered(server: ServerProcess) -> None:
    for size in ((1, 1), (1, 900), (900, 1)):
        data = io.BytesIO()
        Image.new("RGB", size).save(data, "PNG")
        assert server.post(data.getvalue(), "image/png").status == 200


def test_a_client_that_leaves_does_not_disturb_the_others(server: ServerProcess, picture) -> None:
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S) as connection:
            head = f"POST /invocations HTTP/1.1\r\nHost: here\r\nContent-Length: {len(picture)}\r\n\r\n".encode()
            connection.sendall(head + picture[:-10])
    assert server.post(picture).status == 200
