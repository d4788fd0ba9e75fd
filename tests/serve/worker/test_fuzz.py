"""No body, however broken, gives a 5xx or ends a worker; over HTTP, against a real server."""

import random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.serve.server_process import ServerProcess

TYPES = (
    "image/jpeg", "application/x-image", "application/json", "application/x-npy", "multipart/form-data; boundary=a",
    "text/csv", "application/octet-stream", ";;;", "\xe9/\xff", "application/json;charset=utf-16",
)  # fmt: skip
ACCEPTS = (None, "*/*", "text/csv", "application/x-npy", ";q=x,,,", "\xff", "application/jsonlines;q=0.3")


def damaged(data: bytes, seed: int) -> bytes:
    """Some bytes changed, cut out or doubled."""
    dice = random.Random(seed)
    damaged_data = bytearray(data)
    for _ in range(dice.randint(1, 8)):
        place = dice.randrange(len(damaged_data))
        match dice.randrange(3):
            case 0:
                damaged_data[place] = dice.randrange(256)
            case 1:
                del damaged_data[place : place + dice.randint(1, 50)]
            case 2:
                damaged_data[place:place] = damaged_data[place : place + 20]
        if not damaged_data:
            break
    return bytes(damaged_data)


@pytest.fixture
def steady(server: ServerProcess, picture: bytes):
    """The server, which at the end is still ready, by the same worker."""
    worker = server.worker_of(server.post(picture))
    yield server
    assert server.ping().status == 200
    assert server.worker_of(server.post(picture)) == worker


def test_damaged_pictures(steady: ServerProcess, pictures) -> None:
    statuses = [steady.post(damaged(pictures[seed % 20], seed)).status for seed in range(150)]
    assert set(statuses) <= {200, 422}
    assert 422 in statuses


def test_damaged_json_arrays_and_forms(steady: ServerProcess) -> None:
    import io

    data = io.BytesIO()
    np.save(data, np.zeros((8, 8, 3), np.uint8))
    form = b'--a\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n' + b"x" * 50 + b"\r\n--a--\r\n"
    bodies = {
        "application/json": b'{"instances": [{"b64": "aGVsbG8="}, {"b64": "aGVsbG8="}]}',
        "application/x-npy": data.getvalue(),
        "multipart/form-data; boundary=a": form,
    }
    for content_type, body in bodies.items():
        for seed in range(40):
            assert steady.post(damaged(body, seed), content_type).status < 500


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=300), content_type=st.sampled_from(TYPES), accept=st.sampled_from(ACCEPTS))
def test_any_bytes_as_any_type(steady: ServerProcess, body: bytes, content_type: str, accept: str | None) -> None:
    assert 400 <= steady.post(body, content_type, accept).status < 500
