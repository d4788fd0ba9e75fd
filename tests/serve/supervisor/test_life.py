"""Parts of a server end, and it goes on; it is told to stop, and nothing is lost and nothing left."""

import contextlib
import http.client
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.serve.server_process import PATIENCE_S, Answer, ServerProcess, await_true

SLEEPER = """
import time

def model_fn(model_dir):
    return None

def input_fn(body, content_type):
    return float(body)

def predict_fn(seconds, model):
    print(f"sleeping {seconds} s")
    time.sleep(seconds)
    return seconds

def output_fn(seconds, accept):
    return str(seconds), "text/plain"
"""


def sleep(server: ServerProcess, seconds: float) -> Answer:
    return server.post(str(seconds), "text/csv")


@pytest.fixture(scope="module")
def sleeper_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base directory whose model sleeps as long as a request says."""
    base = tmp_path_factory.mktemp("sleeper")
    code = base / "model" / "code"
    code.mkdir(parents=True)
    (code / "inference.py").write_text(SLEEPER)
    return base


@pytest.fixture(scope="module")
def shared(model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that takes at most four requests at once."""
    server = ServerProcess(model_dir.parent, tmp_path_factory.mktemp("log"), SLIPWAY_MAX_REQUESTS="4")
    try:
        yield server
    finally:
        server.kill()


@pytest.fixture
def server(shared: ServerProcess) -> ServerProcess:
    shared.await_ready()
    return shared


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as executor:
        yield executor


def halt(server: ServerProcess, picture: bytes) -> int:
    """Stop the worker, as if it never came to an end with what it is asked; its process id."""
    worker = server.worker_of(server.post(picture))
    os.kill(worker, signal.SIGSTOP)
    return worker


class Held:
    """A request that has been sent to a halted worker; the front, which has answered another since, has taken it."""

    def __init__(self, server: ServerProcess, picture: bytes, path: str = "/invocations") -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)
        self._connection.request("POST", path, picture, {"Content-Type": "image/jpeg"})
        assert server.ping().status == 200

    def answer(self) -> Answer:
        with contextlib.closing(self._connection):
            response = self._connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())


def test_a_killed_worker_comes_back_and_ping_says_so_meanwhile(server: ServerProcess, picture) -> None:
    worker = halt(server, picture)
    inflight = Held(server, picture)
    os.kill(worker, signal.SIGKILL)
    ping = await_true(lambda: (answer := server.ping()).status == 503 and answer, "ping notices")
    assert "1 of 1 workers" in ping.error
    lost = inflight.answer()
    assert (lost.status, lost.headers["retry-after"]) == (503, "1")
    assert "the worker that had this request ended" in lost.error
    server.await_ready()
    assert server.worker_of(server.post(picture)) != worker


def test_504_at_the_deadline_and_the_hanging_worker_is_replaced(sleeper_dir: Path, start_server) -> None:
    server = start_server(sleeper_dir, SLIPWAY_DEADLINE_S="3")
    server.await_ready()
    worker = server.worker_of(sleep(server, 0))
    answer = sleep(server, 3600)
    assert (answer.status, "deadline" in answer.error) == (504, True)
    await_true(lambda: has_ended(worker), "the worker ends")
    assert "inference.py" in server.log.split("Timeout (0:00:03)!")[1], "the log shows where it hung"
    await_true(lambda: server.ping().status == 503, "ping notices")
    server.await_ready()
    assert sleep(server, 0).status == 200


def test_503_with_retry_after_when_as_many_are_held_as_may_be(server: ServerProcess, pool, picture) -> None:
    worker = halt(server, picture)
    posted = [pool.submit(server.post, picture) for _ in range(12)]
    await_true(lambda: sum(future.done() for future in posted) == 8, "what is too much is refused")
    os.kill(worker, signal.SIGCONT)
    answers = [future.result() for future in posted]
    refused = [answer for answer in answers if answer.status == 503]
    assert [answer.status for answer in answers].count(200) == 4 == 12 - len(refused)
    for answer in refused:
        assert answer.headers["retry-after"] == "1"
        assert "takes no more now" in answer.error


def test_multi_model_server_killed_is_started_again_with_nothing_of_it_left(server: ServerProcess, picture) -> None:
    worker = server.worker_of(server.post(picture))
    java = int(server.events("model-server")[-1]["pid"])
    os.kill(java, signal.SIGKILL)
    await_true(lambda: server.ping().status == 503, "ping notices")
    server.await_ready()
    assert server.post(picture).status == 200
    assert not {java, worker} & server.descendants()


def test_the_process_that_forks_workers_killed_is_noticed(server: ServerProcess, picture) -> None:
    worker = server.worker_of(server.post(picture))
    forker = int(Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(forker, signal.SIGKILL)
    await_true(lambda: server.ping().status == 503, "ping notices")
    server.await_ready()
    assert server.post(picture).status == 200


def test_a_killed_front_is_started_again_on_the_same_port(server: ServerProcess, picture) -> None:
    [front] = [
        pid for pid in server.descendants() if b"container.serve.front" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
    os.kill(front, signal.SIGKILL)
    await_true(lambda: has_ended(front), "the front ends")
    server.await_ready()
    assert server.post(picture).status == 200


def test_two_workers_share_the_requests_and_stand_in_for_each_other(sleeper_dir: Path, start_server, pool) -> None:
    server = start_server(sleeper_dir, SLIPWAY_WORKERS="2")
    server.await_ready()
    requests = [pool.submit(sleep, server, 0.3) for _ in range(8)]
    workers = {server.worker_of(request.result()) for request in requests}
    assert len(workers) == 2
    os.kill(workers.pop(), signal.SIGKILL)
    ping = await_true(lambda: (answer := server.ping()).status == 503 and answer, "ping notices")
    assert "1 of 2 workers" in ping.error
    assert server.worker_of(sleep(server, 0)) in workers
    server.await_ready()


def test_what_waits_while_workers_end_is_answered_when_they_are_back(base_dir, start_server, picture) -> None:
    server = start_server(base_dir)
    server.await_ready()
    worker = halt(server, picture)
    worked_on = Held(server, picture)
    waiting = [Held(server, picture) for _ in range(4)]
    os.kill(worker, signal.SIGKILL)
    assert worked_on.answer().status == 503
    # The first of them may already have been on its way to the worker that ended.
    assert [request.answer().status for request in waiting].count(200) >= 3


def test_a_part_that_always_ends_is_given_up(sleeper_dir: Path, start_server) -> None:
    server = start_server(sleeper_dir)
    for count in range(1, 5):
        started = await_true(lambda n=count: (e := server.events("model-server"))[n - 1 :] and e, "Java starts")
        os.kill(int(started[count - 1]["pid"]), signal.SIGKILL)
    assert server.process.wait() == 1
    assert server.errors.startswith("serve: multi-model-server ended 4 times within 10 minutes, the last time with ")
    assert len(server.errors.splitlines()) == 1


def test_sigterm_answers_what_was_accepted_and_refuses_the_rest(base_dir, start_server, picture) -> None:
    server = start_server(base_dir)
    server.await_ready()
    worker = halt(server, picture)
    accepted = [Held(server, picture) for _ in range(5)]
    descendants = server.descendants()
    server.process.send_signal(signal.SIGTERM)
    await_true(lambda: server.events("draining"), "the drain begins")
    ping = server.ping()
    late = server.post(picture)
    assert (ping.status, ping.error) == (503, "the server is stopping")
    assert (late.status, late.error) == (503, "the server is stopping")
    os.kill(worker, signal.SIGCONT)
    answers = [request.answer() for request in accepted]
    assert [answer.status for answer in answers] == [200] * 5
    assert {answer.headers["connection"] for answer in (ping, late, *answers)} == {"close"}
    assert server.process.wait() == 0
    assert server.left_behind() == []
    assert server.errors == ""
    assert [pid for pid in descendants if Path(f"/proc/{pid}").exists()] == []


def test_no_kept_alive_connection_ends_unannounced(base_dir, start_server, picture) -> None:
    server = start_server(base_dir)
    server.await_ready()
    answered: list[int] = []

    def post_until_told_to_leave() -> list[int]:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)
        statuses: list[int] = []
        with contextlib.closing(connection):
            while True:
                connection.request("POST", "/invocations", picture, {"Content-Type": "image/jpeg"})
                response = connection.getresponse()
                response.read()
                statuses.append(response.status)
                answered.append(response.status)
                if response.getheader("connection") == "close":
                    return statuses

    with ThreadPoolExecutor(33) as pool:
        clients = [pool.submit(post_until_told_to_leave) for _ in range(32)]
        await_true(lambda: len(answered) >= 100, "all of them come again and again")
        worker = halt(server, picture)
        server.process.send_signal(signal.SIGTERM)
        await_true(lambda: server.events("draining"), "the drain begins")
        os.kill(worker, signal.SIGCONT)
        statuses = [client.result() for client in clients]
    assert all(set(of_one[:-1]) <= {200} for of_one in statuses)
    assert {of_one[-1] for of_one in statuses} <= {200, 503}
    assert server.process.wait() == 0
    assert server.errors == ""


def test_the_drain_ends_when_its_time_is_up(base_dir, start_server, picture) -> None:
    server = start_server(base_dir, SLIPWAY_DRAIN_S="1")
    server.await_ready()
    halt(server, picture)
    request = Held(server, picture)
    descendants = server.descendants()
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait() == 0
    assert request.answer().status == 503
    assert "event=drain-incomplete" in server.log
    assert [pid for pid in descendants if Path(f"/proc/{pid}").exists()] == []


def test_a_second_signal_stops_at_once(base_dir, start_server, picture) -> None:
    server = start_server(base_dir)
    server.await_ready()
    halt(server, picture)
    request = Held(server, picture)
    descendants = server.descendants()
    server.process.send_signal(signal.SIGTERM)
    await_true(lambda: server.events("draining"), "the drain begins")
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait() == 128 + signal.SIGTERM, "the request would never end"
    assert _status_or_gone(request) in ("gone", 503)
    await_true(lambda: not any(Path(f"/proc/{pid}").exists() for pid in descendants), "nothing is left running")


def test_a_signal_while_the_model_is_loaded(sleeper_dir: Path, start_server) -> None:
    server = start_server(sleeper_dir)
    await_true(lambda: server.events("model-server"), "Java starts")
    descendants = server.descendants()
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait() == 0
    assert [pid for pid in descendants if Path(f"/proc/{pid}").exists()] == []


def test_a_killed_supervisor_takes_everything_with_it(base_dir: Path, start_server) -> None:
    server = start_server(base_dir)
    server.await_ready()
    descendants = server.descendants()
    assert len(descendants) >= 4, "front, Java, the process that forks, a worker"
    server.process.kill()
    await_true(lambda: all(map(has_ended, descendants)), "all have ended")


@pytest.mark.parametrize("script", ["model-server.jar", "model_service_worker.py"])
def test_a_supervisor_killed_while_the_model_is_loaded_takes_everything_with_it(
    script: str, sleeper_dir: Path, start_server
) -> None:
    """The process that multi-model-server forks workers from waits in accept() whatever becomes of the others."""
    server = start_server(sleeper_dir)
    java = int(await_true(lambda: server.events("model-server"), "Java starts")[0]["pid"])
    await_true(lambda: any(script in command for command in _group(java).values()), f"{script} runs")
    server.process.kill()
    await_true(lambda: not _group(java), "all have ended")


def test_a_supervisor_killed_while_the_users_code_loads_takes_everything_with_it(tmp_path: Path, start_server) -> None:
    code = tmp_path / "base" / "model" / "code"
    code.mkdir(parents=True)
    (code / "inference.py").write_text(
        f"import pathlib, time\n\ndef model_fn(model_dir):\n"
        f"    pathlib.Path({str(tmp_path / 'loading')!r}).touch()\n    time.sleep(3600)\n"
    )
    server = start_server(tmp_path / "base")
    await_true((tmp_path / "loading").exists, "the worker loads")
    java = int(server.events("model-server")[0]["pid"])
    await_true(lambda: len(_group(java)) == 3, "Java, the process that forks, and a worker are there alone")
    server.process.kill()
    await_true(lambda: not _group(java), "all have ended")


def has_ended(pid: int) -> bool:
    """Gone, or waiting to be reaped by whoever adopted it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def _group(leader: int) -> dict[int, str]:
    """The command lines of a process group's living members, by process id."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if int(fields[2]) == leader and fields[0] != "Z":
                    found[int(entry.name)] = (entry / "cmdline").read_text()
    return found


def _status_or_gone(request: Held) -> int | str:
    try:
        return request.answer().status
    except (OSError, http.client.HTTPException):
        return "gone"
