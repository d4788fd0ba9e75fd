"""The disk that the server writes to is full, while clients post; and so is the one that its log goes to."""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import pytest

from container.serve.protocol.state import STALE_AFTER_S
from tests.serve.load import load
from tests.serve.many_models import MULTI, ManyModels, put_model
from tests.serve.server_process import Answer, ServerProcess, await_true, running
from tests.serve.supervisor.test_chaos import AFTERWARDS, BROKEN, front_of
from tests.serve.supervisor.test_life import has_ended

NO_ROOM = "there is no room left for temporary files"


@contextmanager
def mounted(size: str) -> Iterator[Path]:
    """A file system of its own. Its path is short, because a socket's must be."""
    place = Path(tempfile.mkdtemp(prefix="slipway-test-"))
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place]
    answer = subprocess.run(command, capture_output=True, text=True)
    if answer.returncode != 0:
        place.rmdir()
        pytest.skip(f"a small file system cannot be mounted here: {answer.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)
        place.rmdir()


@pytest.fixture(scope="module")
def disk() -> Iterator[Path]:
    with mounted("32m") as place:
        yield place


@pytest.fixture(scope="module")
def shared(model_dir: Path, disk: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    server = ServerProcess(model_dir.parent, tmp_path_factory.mktemp("log"), TMPDIR=str(disk))
    with running(server):
        yield server
    assert list(disk.iterdir()) == []


@pytest.fixture
def server(shared: ServerProcess) -> ServerProcess:
    shared.await_ready()
    return shared


@contextmanager
def filled(disk: Path) -> Iterator[None]:
    """Somebody takes all room, and at once whatever becomes free."""
    stop = Event()

    def fill() -> None:
        with (disk / "filler").open("wb", buffering=0) as file:
            while not stop.is_set():
                try:
                    file.write(bytes(4096))
                except OSError:
                    stop.wait(0.001)

    thread = Thread(target=fill)
    thread.start()
    try:
        await_true(lambda: os.statvfs(disk).f_bavail == 0, "the disk is full")
        yield
    finally:
        stop.set()
        thread.join()
        (disk / "filler").unlink()


def test_requests_are_answered_while_the_disk_is_full(server: ServerProcess, disk: Path, picture: bytes) -> None:
    with load(server, picture) as clients:
        with filled(disk):
            clients.await_answers(AFTERWARDS, since=time.monotonic() + STALE_AFTER_S)
            assert server.ping().status == 200
            await_true(lambda: server.events("disk-full"), "the log says so")
        await_true(lambda: server.events("disk-has-room"), "the log says so")
    assert set(clients.outcomes) == {200}
    assert len(server.events("disk-full")) == 1, "once, not twice a second"


@pytest.mark.parametrize("part", ["worker", "model server"])
def test_what_ends_while_the_disk_is_full_comes_back_when_there_is_room(
    server: ServerProcess, disk: Path, picture: bytes, part: str
) -> None:
    worker = server.worker_of(server.post(picture))
    java = int(server.events("model-server")[-1]["pid"])
    with load(server, picture) as clients:
        with filled(disk):
            os.kill(worker if part == "worker" else java, signal.SIGKILL)
            said = await_true(lambda: no_room(server.ping()), "ping says why")
            # A model server that was started again before that has the model loaded next.
            assert "restarted" in said or (part == "model server" and "being loaded" in said)
            if part == "worker":
                await_true(lambda: server.events("worker-waits"), "the next one says what it waits for")
        server.await_ready()
        clients.await_answers(AFTERWARDS, since=time.monotonic())
    assert set(clients.outcomes) <= {200, 503}
    assert server.process.poll() is None
    assert server.worker_of(server.post(picture)) != worker
    assert any(NO_ROOM in line.get("reason", "") for line in server.events("not-ready"))


def test_the_front_is_replaced_while_the_disk_is_full(server: ServerProcess, disk: Path, picture: bytes) -> None:
    front = front_of(server)
    with load(server, picture) as clients, filled(disk):
        os.kill(front, signal.SIGKILL)
        await_true(lambda: has_ended(front), "it has ended")
        clients.await_answers(AFTERWARDS, since=time.monotonic() + STALE_AFTER_S)
        assert server.ping().status == 200
    assert set(clients.outcomes) <= {200, 503, *BROKEN}
    assert sum(clients.outcomes[fault] for fault in BROKEN) <= 4, "more than were under way"


def test_one_of_many_models_is_not_loaded_before_there_is_room(
    model_dir: Path, tmp_path: Path, start_server, disk: Path, picture: bytes
) -> None:
    put_model(tmp_path, "here", model_dir)
    put_model(tmp_path, "late", model_dir)
    many = ManyModels(start_server(tmp_path, TMPDIR=str(disk), **MULTI), tmp_path)
    many.server.await_ready()
    assert many.load("here").status == 200
    with filled(disk):
        refused = many.load("late")
        assert many.invoke("here", picture).status == 200
    assert (refused.status, refused.error) == (503, f"{NO_ROOM}; try again")
    assert many.load("late").status == 200
    assert many.invoke("late", picture).status == 200


def test_a_disk_that_is_too_small_ends_the_server_with_the_reason(base_dir: Path, tmp_path: Path) -> None:
    with mounted("8k") as disk:
        server = ServerProcess(base_dir, tmp_path, TMPDIR=str(disk))
        try:
            assert server.process.wait() == 1
            assert list(disk.iterdir()) == []
        finally:
            server.kill()
    assert server.errors == (
        f"serve: there is too little room in {disk}; empty it, or set TMPDIR to a directory that has some\n"
    )


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_log_that_cannot_be_written_for_a_while(model_dir: Path, picture: bytes, log_format: str) -> None:
    settings = {"SLIPWAY_LOG_FORMAT": log_format, "SLIPWAY_EMF": "Test", "SLIPWAY_EMF_S": "1"}
    with mounted("1m") as disk:
        server = ServerProcess(model_dir.parent, disk, **settings)
        try:
            server.await_ready()
            front = front_of(server)
            with load(server, picture) as clients:
                with filled(disk):
                    # Metrics for CloudWatch are due meanwhile.
                    clients.await_answers(AFTERWARDS, since=time.monotonic() + 2)
                metrics = server.log.count('"_aws"')
                await_true(lambda: server.log.count('"_aws"') > metrics, "the log is written again")
            assert set(clients.outcomes) == {200}
            assert front_of(server) == front
            assert server.stop() == 0
        finally:
            server.kill()


def test_a_log_that_can_never_be_written_is_no_error_at_the_end(model_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "stdout.log").symlink_to("/dev/full")
    server = ServerProcess(model_dir.parent, tmp_path, PYTHONUNBUFFERED="")
    try:
        await_true(server.descendants, "its parts are started")
        assert server.stop() == 0
        assert server.errors == ""
    finally:
        server.kill()


def no_room(ping: Answer) -> str:
    """What /ping says, if it says that there is no room."""
    return ping.error if ping.status == 503 and NO_ROOM in ping.error else ""
