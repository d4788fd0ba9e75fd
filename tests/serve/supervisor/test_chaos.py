"""Parts of a server are killed while clients post to it; what every one of them saw. What becomes of a single request
is in test_life.py."""

import os
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.serve.load import Load, load
from tests.serve.server_process import ServerProcess, await_true, running
from tests.serve.supervisor.test_life import has_ended

# So many requests are answered after a fault before the load ends.
AFTERWARDS = 20

BROKEN = {"RemoteDisconnected", "ConnectionResetError", "ConnectionRefusedError", "BrokenPipeError", "IncompleteRead"}


@pytest.fixture(scope="module")
def shared(model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    server = ServerProcess(model_dir.parent, tmp_path_factory.mktemp("log"))
    with running(server):
        yield server


@pytest.fixture
def server(shared: ServerProcess) -> ServerProcess:
    shared.await_ready()
    return shared


def kill_under_load(server: ServerProcess, body: bytes, find: Callable[[], int]) -> Load:
    """Kill the process that `find` names while clients post, until they are answered as before."""
    supervisor = server.process.pid
    with load(server, body) as clients:
        pid = find()
        os.kill(pid, signal.SIGKILL)
        await_true(lambda: has_ended(pid), "it has ended")
        server.await_ready()
        clients.await_answers(AFTERWARDS, since=time.monotonic())
    assert (server.process.pid, server.process.poll()) == (supervisor, None)
    return clients


def test_a_worker_killed_under_load(server: ServerProcess, picture: bytes) -> None:
    worker = server.worker_of(server.post(picture))
    clients = kill_under_load(server, picture, lambda: worker)
    assert set(clients.outcomes) <= {200, 503}
    assert server.worker_of(server.post(picture)) != worker


def test_multi_model_server_killed_under_load(server: ServerProcess, picture: bytes) -> None:
    clients = kill_under_load(server, picture, lambda: int(server.events("model-server")[-1]["pid"]))
    assert set(clients.outcomes) <= {200, 503}


def test_the_front_killed_under_load(server: ServerProcess, picture: bytes) -> None:
    """Its clients' connections end with it; those that come meanwhile wait in the listening socket."""
    clients = kill_under_load(server, picture, lambda: front_of(server))
    assert set(clients.outcomes) <= {200, 503, *BROKEN}
    assert sum(clients.outcomes[fault] for fault in BROKEN) <= 4, "more than were under way"


def test_sigterm_under_load(base_dir: Path, start_server, picture: bytes) -> None:
    server = start_server(base_dir)
    server.await_ready()
    with load(server, picture) as clients:
        moment = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait() == 0
    assert server.errors == ""
    assert server.left_behind() == []
    after = [seen.outcome for seen in clients.since(moment)]
    assert len(after) < len(clients.seen)
    assert set((clients.outcomes - Counter(after)).keys()) <= {200, 503}, "who came before the signal is answered"
    # Who comes when nobody listens any more finds nobody.
    assert set(after) <= {200, 503, *BROKEN}


def test_a_model_directory_that_vanishes(base_dir: Path, start_server, picture: bytes) -> None:
    """What is loaded goes on; what cannot be loaded again ends the server with the reason."""
    server = start_server(base_dir)
    server.await_ready()
    worker = server.worker_of(server.post(picture))
    with load(server, picture) as clients:
        shutil.rmtree(base_dir / "model")
        clients.await_answers(AFTERWARDS, since=time.monotonic())
        assert server.ping().status == 200
    assert set(clients.outcomes) == {200}
    os.kill(worker, signal.SIGKILL)
    assert server.process.wait() == 1
    assert len(server.errors.splitlines()) == 1, server.errors
    assert server.errors == f"serve: there is no model directory {base_dir / 'model'}\n"


def front_of(server: ServerProcess) -> int:
    [front] = [
        pid for pid in server.descendants() if b"container.serve.front" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
    return front
