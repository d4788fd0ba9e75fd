"""The corners of HTTP/1.1 that the front has its own part in: over raw sockets, against a real server."""

import contextlib
import io
import json
import re
import select
import shutil
import socket
import subprocess
from http.client import HTTPResponse
from pathlib import Path
from typing import BinaryIO

import psutil
import pytest
from PIL import Image

from container.serve.front.connection import MAX_HEADER_BYTES
from tests.serve.server_process import PATIENCE_S, Answer, ServerProcess, await_true


def connect(server: ServerProcess) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S)


def request(body: bytes, *headers: str, version: str = "1.1") -> bytes:
    lines = [f"POST /invocations HTTP/{version}", "Host: here", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def response(connection: socket.socket) -> HTTPResponse:
    answer = HTTPResponse(connection)
    answer.begin()
    return answer


def next_answer(stream: BinaryIO, *, body: bool = True) -> Answer:
    """One of several answers on a connection; an interim one is passed over."""
    while (status := int(stream.readline().split()[1])) < 200:
        assert (status, stream.readline()) == (100, b"\r\n")
    lines = [line.decode().strip().split(": ", 1) for line in iter(stream.readline, b"\r\n")]
    headers = {name.lower(): value for name, value in lines}
    return Answer(status, headers, stream.read(int(headers["content-length"]) if body else 0))


def await_read(connection: socket.socket) -> None:
    """Until the server has read all that was sent, so that the next bytes come by themselves."""
    local, remote = (f":{name[1]:04X}" for name in (connection.getsockname(), connection.getpeername()))

    def is_read() -> bool:
        # The kernel lists a connection twice, or leaves it out, where others begin or end while it writes the list.
        lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        waiting = {line[4] for line in lines if line[1].endswith(remote) and line[2].endswith(local)}
        return bool(waiting) and all(queues.endswith(":00000000") for queues in waiting)

    await_true(is_read, "the server has read", pause_s=0.001)


def test_headers_without_end_are_refused_and_the_connection_is_closed(server: ServerProcess) -> None:
    with connect(server) as connection:
        connection.sendall(b"GET /ping HTTP/1.1\r\n" + b"X-More: " + b"x" * (MAX_HEADER_BYTES + 1))
        answer = response(connection)
        assert answer.status == 431
        assert json.loads(answer.read())["error"]["request_id"] == answer.getheader("x-request-id")
        assert connection.recv(1) == b""


def send_in_pieces(connection: socket.socket, data: bytes, size: int) -> None:
    """Each piece is read by itself; the rest stays away once there is an answer."""
    for start in range(0, len(data), size):
        if select.select([connection], [], [], 0)[0]:
            break
        connection.sendall(data[start : start + size])
        await_read(connection)


@pytest.mark.parametrize("piece", [2**20, 16384])
@pytest.mark.parametrize(("length", "status"), [(MAX_HEADER_BYTES, 200), (MAX_HEADER_BYTES + 1, 431), (120_000, 431)])
def test_headers_have_one_limit_however_they_arrive(
    server: ServerProcess, length: int, status: int, piece: int
) -> None:
    start, end = b"GET /ping HTTP/1.1\r\nHost: here\r\nX-More: ", b"\r\n\r\n"
    with connect(server) as connection, connection.makefile("rb") as stream:
        send_in_pieces(connection, start + b"x" * (length - len(start + end)) + end, piece)
        assert next_answer(stream).status == status


def test_headers_of_a_pipelined_request_have_the_same_limit(server: ServerProcess, dot: bytes) -> None:
    with connect(server) as connection, connection.makefile("rb") as stream:
        connection.sendall(request(dot) + b"GET /ping HTTP/1.1\r\nX-More: " + b"x" * 120_000 + b"\r\n\r\n")
        assert [next_answer(stream).status, next_answer(stream).status] == [200, 431]
        assert stream.read() == b""


def test_trailers_are_read_and_change_nothing(server: ServerProcess, picture: bytes) -> None:
    trailers = b"Content-Encoding: gzip\r\nAccept: image/png\r\nX-More: " + b"x" * 60_000 + b"\r\n"
    with connect(server) as connection, connection.makefile("rb") as stream:
        for _ in range(2):
            connection.sendall(chunked(picture, trailers=trailers))
            answer = next_answer(stream)
            assert (answer.status, answer.body) == (200, server.post(picture).body)


@pytest.mark.parametrize("piece", [2**20, 16384])
@pytest.mark.parametrize("trailers", [b"X-More: " + b"x" * 70_000 + b"\r\n", b"X: y\r\n" * 20_000], ids=["one", "many"])
def test_trailers_have_the_limit_of_headers(server: ServerProcess, dot: bytes, trailers: bytes, piece: int) -> None:
    with connect(server) as connection, connection.makefile("rb") as stream:
        send_in_pieces(connection, chunked(dot, trailers=trailers), piece)
        answer = next_answer(stream)
        assert (answer.status, answer.headers["connection"]) == (431, "close")
        assert "trailers are longer than 65536 bytes" in answer.error
        assert stream.read() == b""


@pytest.mark.parametrize("endless", [b"x", b"X-More: " + b"y" * 50 + b"\r\n"], ids=["one", "many"])
@pytest.mark.parametrize("place", [b"0\r\nX", b"5;"], ids=["trailers", "extension"])
def test_endless_trailers_take_no_memory(server: ServerProcess, endless: bytes, place: bytes) -> None:
    [front] = [process for process in psutil.Process(server.process.pid).children() if is_front(process)]
    before = front.memory_info().rss
    with connect(server) as connection:
        with contextlib.suppress(OSError):
            connection.sendall(chunked_head() + place)
            for _ in range(40):
                connection.sendall(endless * (2**20 // len(endless)))
        assert front.memory_info().rss - before < 2**24
        assert response(connection).status in (400, 431)


def is_front(process: psutil.Process) -> bool:
    return "container.serve.front" in process.cmdline()


def test_pipelined_requests_are_answered_in_order(server: ServerProcess, pictures) -> None:
    headers = ("Content-Type: image/jpeg", "Accept: text/csv;format=scores")
    expected = [server.post(picture, accept="text/csv;format=scores").body for picture in pictures[:3]]
    assert len(set(expected)) == 3
    with connect(server) as connection:
        connection.sendall(b"".join(request(picture, *headers) for picture in pictures[:3]))
        with connection.makefile("rb") as stream:
            for body in expected:
                answer = next_answer(stream)
                assert (answer.status, answer.body) == (200, body)
                assert "connection" not in answer.headers


H2C = (
    "Connection: Upgrade, HTTP2-Settings",
    "Upgrade: h2c",
    "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",
)
WEBSOCKET = ("Upgrade: websocket", "Connection: upgrade", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: QUFBQQ==")


@pytest.fixture(scope="session")
def dot() -> bytes:
    """A picture of few bytes."""
    data = io.BytesIO()
    Image.new("RGB", (1, 1)).save(data, "PNG")
    return data.getvalue()


def chunked(body: bytes, *headers: str, trailers: bytes = b"") -> bytes:
    """A request whose body comes in two chunks."""
    chunks = b"".join(b"%x;a=b\r\n%b\r\n" % (len(part), part) for part in (body[:7], body[7:]))
    return chunked_head(*headers) + chunks + b"0\r\n" + trailers + b"\r\n"


def chunked_head(*headers: str) -> bytes:
    lines = ["POST /invocations HTTP/1.1", "Host: here", "Transfer-Encoding: chunked", *headers, "", ""]
    return "\r\n".join(lines).encode()


@pytest.mark.parametrize("form", [request, chunked])
def test_an_upgrade_is_ignored_wherever_the_body_is_split(server: ServerProcess, dot: bytes, form) -> None:
    expected = server.post(dot).body
    whole = form(dot, *H2C)
    with connect(server) as connection, connection.makefile("rb") as stream:
        for place in range(whole.index(b"\r\n\r\n") + 1, len(whole)):
            connection.sendall(whole[:place])
            await_read(connection)
            connection.sendall(whole[place:])
            answer = next_answer(stream)
            assert (answer.status, answer.body) == (200, expected), place
            assert not {"connection", "upgrade"} & answer.headers.keys()


def test_upgrades_are_ignored_in_a_pipeline(server: ServerProcess, dot: bytes, picture: bytes) -> None:
    ping = "\r\n".join(["GET /ping HTTP/1.1", "Host: here", *WEBSOCKET, "", ""]).encode()
    requests = [request(dot, *H2C), chunked(picture, *WEBSOCKET), ping, request(picture), chunked(dot, *H2C), ping]
    bodies = [server.post(body).body for body in (dot, picture)]
    with connect(server) as connection, connection.makefile("rb") as stream:
        connection.sendall(b"".join(requests))
        answers = [next_answer(stream) for _ in requests]
    assert [answer.status for answer in answers] == [200] * 6
    assert [answer.body for answer in answers] == [bodies[0], bodies[1], b"", bodies[1], bodies[0], b""]


JAVA_CLIENT = """
import java.net.URI;
import java.net.http.*;
import java.nio.file.Path;

class Client {
    public static void main(String[] arguments) throws Exception {
        HttpClient client = HttpClient.newHttpClient();
        HttpRequest request = HttpRequest.newBuilder(URI.create(arguments[0]))
            .header("Content-Type", "image/jpeg")
            .POST(HttpRequest.BodyPublishers.ofFile(Path.of(arguments[1])))
            .build();
        for (int i = 0; i < 4; i++) {
            HttpResponse<String> answer = client.send(request, HttpResponse.BodyHandlers.ofString());
            System.out.println(answer.statusCode() + " " + answer.body());
        }
    }
}
"""


def test_javas_own_client(server: ServerProcess, picture: bytes, tmp_path: Path) -> None:
    java = shutil.which("java")
    if not java or "jdk.compiler" not in subprocess.check_output([java, "--list-modules"], text=True):
        pytest.skip("no Java here that runs a source file")
    (tmp_path / "Client.java").write_text(JAVA_CLIENT)
    (tmp_path / "picture.jpg").write_bytes(picture)
    url = f"http://127.0.0.1:{server.port}/invocations"
    client = [java, str(tmp_path / "Client.java"), url, str(tmp_path / "picture.jpg")]
    lines = subprocess.check_output(client, text=True, timeout=PATIENCE_S).splitlines()
    assert lines == [f"200 {server.post(picture).body.decode()}"] * 4


# Bytes that are no request of HTTP/1.1 that this server takes.
NOT_HTTP = {
    "no HTTP at all": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "HTTP/2 without asking": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a length that is none": b"POST /invocations HTTP/1.1\r\nContent-Length: x\r\n\r\n",
    "two lengths": b"POST /invocations HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    "a chunk that is none": b"POST /invocations HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nxyz\r\n",
    "a tunnel": b"CONNECT here:80 HTTP/1.1\r\nHost: here\r\n\r\n",
}


@pytest.mark.parametrize("kind", NOT_HTTP)
def test_what_is_not_http_is_answered_400_after_the_requests_before_it(
    server: ServerProcess, picture: bytes, kind: str
) -> None:
    with connect(server) as connection, connection.makefile("rb") as stream:
        connection.sendall(request(picture) + NOT_HTTP[kind])
        assert next_answer(stream).status == 200
        answer = next_answer(stream)
        assert (answer.status, answer.headers["connection"]) == (400, "close")
        assert re.search(r"HTTP/1.1|proxies", answer.error)
        await_true(lambda: answer.headers["x-request-id"] in server.log, "it is logged")
        assert stream.read() == b""


def test_http_1_0_is_answered_and_closed(server: ServerProcess, picture) -> None:
    with connect(server) as connection:
        connection.sendall(request(picture, "Content-Type: image/jpeg", version="1.0"))
        answer = response(connection)
        assert (answer.status, "predictions" in json.loads(answer.read())) == (200, True)
        assert connection.recv(1) == b""


@pytest.mark.parametrize("path", ["/ping", "/execution-parameters", "/nowhere", "/invocations"])
def test_head_is_answered_as_get_without_a_body(server: ServerProcess, path: str) -> None:
    lines = "\r\n".join([f"%s {path} HTTP/1.1", "Host: here", "", ""])
    with connect(server) as connection, connection.makefile("rb") as stream:
        connection.sendall("".join(lines % method for method in ("GET", "HEAD", "GET")).encode())
        got, head, again = next_answer(stream), next_answer(stream, body=False), next_answer(stream)
    assert head.status == got.status == again.status
    varying = ("date", "x-request-id")
    assert {k: v for k, v in head.headers.items() if k not in varying} == {
        k: v for k, v in got.headers.items() if k not in varying
    }


@pytest.mark.parametrize("count", [1, 3])
def test_a_client_that_stops_sending_gets_its_answers(server: ServerProcess, pictures: list[bytes], count: int) -> None:
    expected = [server.post(picture).body for picture in pictures[:count]]
    with connect(server) as connection, connection.makefile("rb") as stream:
        connection.sendall(b"".join(map(request, pictures[:count])))
        connection.shutdown(socket.SHUT_WR)
        answers = [next_answer(stream) for _ in range(count)]
        assert [(answer.status, answer.body) for answer in answers] == [(200, body) for body in expected]
        assert stream.read() == b""


def test_a_request_that_is_never_complete_is_not_waited_for(server: ServerProcess, picture: bytes) -> None:
    with connect(server) as connection, connection.makefile("rb") as stream:
        connection.sendall(request(picture)[:-1])
        connection.shutdown(socket.SHUT_WR)
        assert stream.read() == b""
    with connect(server) as connection, connection.makefile("rb") as stream:
        # Held back until the end goes with it, so that the end is there before the first answer.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        connection.sendall(request(picture) + request(picture)[:-1])
        connection.shutdown(socket.SHUT_WR)
        assert next_answer(stream).status == 200
        answer = next_answer(stream)
        assert (answer.status, "stopped sending" in answer.error) == (400, True)
        assert stream.read() == b""


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
