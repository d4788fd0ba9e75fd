"""The corners of HTTP/1.1 that the front has its own part in: over raw sockets, against a real server."""

import json
import socket
from http.client import HTTPResponse

import pytest

from container.serve.connection import MAX_HEADER_BYTES
from tests.serve.server_process import PATIENCE_S, ServerProcess


def connect(server: ServerProcess) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S)


def request(body: bytes, *headers: str, version: str = "1.1") -> bytes:
    lines = [f"POST /invocations HTTP/{version}", "Host: here", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def response(connection: socket.socket) -> HTTPResponse:
    answer = HTTPResponse(connection)
    answer.begin()
    return answer


def test_headers_without_end_are_refused_and_the_connection_is_closed(server: ServerProcess) -> None:
    with connect(server) as connection:
        connection.sendall(b"GET /ping HTTP/1.1\r\n" + b"X-More: " + b"x" * (MAX_HEADER_BYTES + 1))
        answer = response(connection)
        assert answer.status == 431
        assert json.loads(answer.read())["error"]["request_id"] == answer.getheader("x-request-id")
        assert connection.recv(1) == b""


def test_pipelined_requests_are_answered_in_order(server: ServerProcess, pictures) -> None:
    headers = ("Content-Type: image/jpeg", "Accept: text/csv;format=scores")
    expected = [server.post(picture, accept="text/csv;format=scores").body for picture in pictures[:3]]
    assert len(set(expected)) == 3
    with connect(server) as connection:
        connection.sendall(b"".join(request(picture, *headers) for picture in pictures[:3]))
        with connection.makefile("rb") as stream:
            for body in expected:
                assert stream.readline().startswith(b"HTTP/1.1 200 ")
                fields = dict(line.strip().split(b": ", 1) for line in iter(stream.readline, b"\r\n"))
                assert b"connection" not in fields
                assert stream.read(int(fields[b"content-length"])) == body


def test_http_1_0_is_answered_and_closed(server: ServerProcess, picture) -> None:
    with connect(server) as connection:
        connection.sendall(request(picture, "Content-Type: image/jpeg", version="1.0"))
        answer = response(connection)
        assert (answer.status, "predictions" in json.loads(answer.read())) == (200, True)
        assert connection.recv(1) == b""


def test_a_body_is_asked_for_where_the_client_waits_for_that(server: ServerProcess, picture) -> None:
    with connect(server) as connection:
        whole = request(picture, "Content-Type: image/jpeg", "Expect: 100-continue")
        connection.sendall(whole[: -len(picture)])
        with connection.makefile("rb") as stream:
            assert [stream.readline(), stream.readline()] == [b"HTTP/1.1 100 Continue\r\n", b"\r\n"]
        connection.sendall(picture)
        assert response(connection).status == 200


@pytest.mark.parametrize(("said", "echoed"), [("a=1; b", "a=1; b"), ("x\ty\xe9z", "xyz"), ("x" * 1025, None)])
def test_a_clients_own_words_come_back(server: ServerProcess, picture, said: str, echoed: str | None) -> None:
    name = "X-Amzn-SageMaker-Custom-Attributes"
    for body, headers in ((picture, {"Content-Type": "image/jpeg"}), (b"no picture", {})):
        answer = server.request("POST", "/invocations", body, {name: said, **headers})
        assert answer.headers.get(name.lower()) == echoed
