"""The wall clock jumps while clients post: of the server's processes alone, by clock_shim.c."""

import datetime
import os
import shutil
import struct
import subprocess
import time
from pathlib import Path

import pytest

from tests.serve.load import Load, load
from tests.serve.server_process import ServerProcess, await_true
from tests.serve.supervisor.test_chaos import AFTERWARDS

HOUR_S = 3600


@pytest.fixture
def shim(tmp_path: Path) -> Path:
    if shutil.which("cc") is None:
        pytest.skip("there is no C compiler (cc) for a library that moves the clock")
    library = tmp_path / "clock_shim.so"
    options = ["-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    subprocess.run(["cc", *options, "-o", library, Path(__file__).with_name("clock_shim.c")], check=True)
    return library


def test_the_clock_jumps_an_hour_forward_and_two_back_under_load(
    base_dir: Path, tmp_path: Path, start_server, shim: Path, picture: bytes
) -> None:
    clock = tmp_path / "clock"
    jump(clock, 0)
    server = start_server(base_dir, LD_PRELOAD=str(shim), SLIPWAY_TEST_CLOCK=str(clock))
    server.await_ready()
    parts, reasons = server.descendants(), server.events("not-ready")
    with load(server, picture) as clients:
        for offset_s in (HOUR_S, -HOUR_S, 0):
            jump(clock, offset_s)
            await_true(lambda wanted=offset_s: logged_offset(server) == wanted, "the log has the new time")
            await_still_well(server, clients)
    assert set(clients.outcomes) == {200}
    assert server.descendants() == parts, "nothing was replaced"
    assert server.events("not-ready") == reasons
    assert server.stop() == 0
    assert server.errors == ""


def await_still_well(server: ServerProcess, clients: Load) -> None:
    """For longer than it takes the supervisor to say again that it is."""
    moment = time.monotonic() + 1
    while len([seen for seen in clients.since(moment) if seen.outcome == 200]) < AFTERWARDS:
        assert server.ping().status == 200
        clients.await_answers(1, since=time.monotonic())


def jump(clock: Path, offset_s: int) -> None:
    """Set how far the server's clock is from this machine's."""
    with clock.open("r+b" if clock.exists() else "wb", buffering=0) as file:
        os.pwrite(file.fileno(), struct.pack("=q", offset_s), 0)


def logged_offset(server: ServerProcess) -> int:
    """How far the time of the log's last line is from this machine's, to the half hour."""
    lines = [line for line in server.log.splitlines() if " event=request " in line]
    logged = datetime.datetime.fromisoformat(lines[-1].split()[0])
    return round((logged.timestamp() - time.time()) / 1800) * 1800
