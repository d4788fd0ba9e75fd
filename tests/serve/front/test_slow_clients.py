"""Clients that are slow, endless, idle or gone cost the others nothing; over raw sockets, against real servers."""

import contextlib
import http.client
import resource
import select
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.serve.scrape import Scrape, free_port
from tests.serve.server_process import PATIENCE_S, Answer, ServerProcess, await_true, running

POST = b"POST /invocations HTTP/1.1\r\nHost: here\r\nContent-Type: image/jpeg\r\n"

# What each kind of slow client sends at once, and whether it goes on, a byte at a time.
SLOW = {
    "headers that never end": (POST, False),
    "a request line that never ends": (b"GET /pi", False),
    "an empty line, and then nothing": (b"\r\n", False),
    "headers a byte at a time": (POST + b"X-Slow: ", True),
    "a body that stalls": (POST + b"Content-Length: 100000\r\n\r\n0123456789", False),
    "a body that never begins": (POST + b"Content-Length: 1\r\n\r\n", False),
    "a body a byte at a time": (POST + b"Content-Length: 100000\r\n\r\n", True),
    "a chunk that stalls": (POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\n012", False),
}
EACH = 25

USER_CODE = """
import pathlib
import time

HERE = pathlib.Path({here!r})

def model_fn(model_dir):
    return None

def input_fn(body, content_type):
    return body

def predict_fn(body, model):
    with (HERE / "seen").open("a") as seen:
        seen.write(body + "\\n")
    while body == "wait" and not (HERE / "go-on").exists():
        time.sleep(0.01)
    return body

def output_fn(body, accept):
    return body, "text/plain"
"""


@pytest.fixture(scope="module")
def narrow(model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Room for one request, of at most 1 MiB."""
    server = ServerProcess(
        model_dir.parent,
        tmp_path_factory.mktemp("narrow"),
        SLIPWAY_MAX_REQUESTS="1",
        SAGEMAKER_MAX_PAYLOAD_IN_MB="1",
    )
    with running(server):
        server.await_ready()
        yield server


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as executor:
        yield executor


def connect(server: ServerProcess) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S)


def read_answer(connection: socket.socket) -> Answer:
    response = http.client.HTTPResponse(connection)
    response.begin()
    return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())


def test_200_slow_clients_get_408_and_take_no_place(narrow: ServerProcess, picture: bytes) -> None:
    """All at once, because each kind takes as long as the server is patient."""
    kind_of: dict[int, str] = {}
    answers: dict[str, list[Answer]] = {kind: [] for kind in SLOW}
    answered_meanwhile = 0
    with contextlib.ExitStack() as stack:
        hanging = {}
        for kind, (start, _) in SLOW.items():
            for _ in range(EACH):
                connection = stack.enter_context(connect(narrow))
                connection.sendall(start)
                hanging[connection.fileno()] = connection
                kind_of[connection.fileno()] = kind
        poll = select.poll()
        for descriptor in hanging:
            poll.register(descriptor, select.POLLIN)
        while hanging:
            for descriptor, connection in hanging.items():
                if SLOW[kind_of[descriptor]][1]:
                    with contextlib.suppress(OSError):
                        connection.send(b"x")
            meanwhile = narrow.post(picture)
            assert meanwhile.status == 200, meanwhile.body
            answered_meanwhile += len(hanging) == len(kind_of)
            events = poll.poll(500)
            for descriptor, _ in events:
                poll.unregister(descriptor)
                connection = hanging.pop(descriptor)
                answers[kind_of[descriptor]].append(read_answer(connection))
                assert is_closed(connection), kind_of[descriptor]
    assert answered_meanwhile, "nobody was answered while all of them hung"
    for kind, of_kind in answers.items():
        assert [answer.status for answer in of_kind] == [408] * EACH, kind
        what = "headers did not arrive" if "body" not in kind and "chunk" not in kind else "body is too slow"
        assert all(what in answer.error for answer in of_kind), kind
        assert all(answer.headers["connection"] == "close" for answer in of_kind), kind


def is_closed(connection: socket.socket) -> bool:
    """After the answer nothing comes but the end."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def is_cut(connection: socket.socket, data: bytes) -> bool:
    """What is sent does not arrive any more."""
    try:
        connection.sendall(data)
    except OSError:
        return True
    return False


def test_1000_idle_connections(narrow: ServerProcess, picture: bytes) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        with contextlib.ExitStack() as stack:
            idle = [stack.enter_context(connect(narrow)) for _ in range(1000)]
            assert narrow.post(picture).status == 200
            for connection in (idle[0], idle[-1]):
                connection.sendall(b"GET /ping HTTP/1.1\r\nHost: here\r\n\r\n")
                assert read_answer(connection).status == 200
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_an_endless_body_is_cut_at_the_limit(narrow: ServerProcess, picture: bytes) -> None:
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    sent = 0
    with connect(narrow) as connection:
        connection.sendall(POST + b"Transfer-Encoding: chunked\r\n\r\n")
        while not select.select([connection], [], [], 0)[0]:
            connection.sendall(chunk)
            sent += len(chunk)
            assert sent < 2**28, "no answer after 256 MiB"
        answer = read_answer(connection)
        assert (answer.status, "larger than 1 MiB" in answer.error) == (413, True)
        assert answer.headers["connection"] == "close"
        await_true(lambda: is_cut(connection, chunk), "the connection is closed")
    assert narrow.post(picture).status == 200


def test_who_leaves_while_waiting_never_reaches_the_worker(tmp_path: Path, start_server, pool) -> None:
    code = tmp_path / "base" / "model" / "code"
    code.mkdir(parents=True)
    (code / "inference.py").write_text(USER_CODE.format(here=str(tmp_path)))
    # Bundles of more than will wait: none goes ahead to the worker while that is busy.
    port = free_port()
    server = start_server(tmp_path / "base", SLIPWAY_BATCH_SIZE="16", SLIPWAY_METRICS_PORT=str(port))

    def waiting() -> float:
        return Scrape(port).value("slipway_requests_waiting")

    server.await_ready()
    busy = pool.submit(server.post, "wait", "text/csv")
    await_true((tmp_path / "seen").exists, "the worker is busy")
    post = b"POST /invocations HTTP/1.1\r\nHost: here\r\nContent-Type: text/csv\r\nContent-Length: 4\r\n\r\n"
    leavers = [connect(server) for _ in range(5)]
    for connection in leavers:
        connection.sendall(post + b"gone")
    with connect(server) as half_closed:
        half_closed.sendall(post + b"half")
        half_closed.shutdown(socket.SHUT_WR)
        await_true(lambda: waiting() == 6, "all wait")
        staying = pool.submit(server.post, "stay", "text/csv")
        await_true(lambda: waiting() == 7, "all wait")
        for connection in leavers:
            connection.close()
        await_true(lambda: waiting() == 2, "those that left are forgotten")
        (tmp_path / "go-on").touch()
        answer = read_answer(half_closed)
        assert (answer.status, answer.body, answer.headers["connection"]) == (200, b"half", "close")
        assert is_closed(half_closed)
    assert [busy.result().status, staying.result().status] == [200, 200]
    assert (tmp_path / "seen").read_text().split() == ["wait", "half", "stay"]


def test_what_comes_together_goes_together_and_a_bad_picture_fails_alone(
    base_dir: Path, start_server, pool, pictures: list[bytes]
) -> None:
    # A full batch does not wait for the delay, which is long enough for all to come.
    server = start_server(base_dir, SLIPWAY_BATCH_SIZE="4", SLIPWAY_BATCH_DELAY_MS="10000")
    server.await_ready()
    bodies = [pictures[0], b"no picture", pictures[1], pictures[2]]
    answers = [future.result() for future in [pool.submit(server.post, body) for body in bodies]]
    assert [answer.status for answer in answers] == [200, 422, 200, 200]
    assert "cannot be decoded" in answers[1].error
    assert len({answer.body for answer in answers}) == 4, "each got its own"
    lines = [await_true(lambda a=answer: server.request_lines(a), "it is logged")[0] for answer in answers]
    # What is no JPEG is decoded elsewhere, and may be answered later.
    assert [line["batch"] for line in lines[:1] + lines[2:]] == ["4"] * 3
    assert [line["status"] for line in lines] == ["200", "422", "200", "200"]
