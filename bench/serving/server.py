"""Runs a server as a process: starts it, waits for it, checks its answers, and stops it with everything it started."""

import asyncio
import http.client
import itertools
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from bench.serving.load import Target, ask_each
from bench.serving.workload import Reading, Workload
from container.processes import children, descendants, die_with_parent, kill_group, reap

# multi-model-server reads a port as a signed 16-bit number; our server takes its inner ports from 20000 on.
_PORTS = itertools.cycle(range(15000 + os.getpid() % 2000, 20000))
_TICK_S = 0.01
_STOP_S = 30.0
_REPOSITORY = Path(__file__).parents[2]
# Variables that the machine may set for other programs, and that affect a server's speed.
_LEFT_OUT = ("SAGEMAKER_", "SLIPWAY_", "OMP_", "GOMP_", "MKL_", "MMS_", "TS_")


class StartError(Exception):
    """The server did not start, or answers wrongly; the message, in one line, says which server and why."""


@dataclass(frozen=True, kw_only=True)
class Launch:
    """A server's command, environment and requests."""

    name: str
    command: list[str]
    environment: Mapping[str, str]
    port: int
    ping: str
    """Path of the health check."""
    path: str
    """Path of predictions."""
    content_type: str
    bodies: list[Path]
    reading: Reading
    top_class: Callable[[bytes], int]
    """Reads the first class in an answer's body."""
    headers: Mapping[str, str] = field(default_factory=dict)
    limit_s: float = 120.0
    """Limit of the start-up time."""

    @property
    def target(self) -> Target:
        """The requests for the load generator."""
        headers = {"Content-Type": self.content_type, **self.headers}
        return Target(self.port, self.path, headers, [str(path) for path in self.bodies])


@dataclass(frozen=True)
class ColdStart:
    """Start-up times, from the start of the process."""

    ping_s: float
    """Seconds to the first 200 of the health check."""
    prediction_s: float
    """Seconds to the first prediction."""


class Server:
    """A running server. Its processes share a process group; our own server's also use a session of its own."""

    def __init__(self, launch: Launch, folder: Path) -> None:
        """Start the server.

        Args:
            launch: How to start it.
            folder: Directory for its log and temporary files.
        """
        self.launch = launch
        self.scratch = folder / f"run-{launch.port}"
        """Its TMPDIR."""
        self.scratch.mkdir(parents=True)
        self._log = self.scratch / "log"
        self._start = time.monotonic()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                launch.command,
                env=clean_environment(TMPDIR=str(self.scratch), TEMP=str(self.scratch)) | dict(launch.environment),
                cwd=self.scratch,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """Its exit code; None while it runs."""
        return self._process.poll()

    @property
    def log(self) -> str:
        """Everything it wrote."""
        return self._log.read_text(errors="replace")

    def await_ready(self) -> ColdStart:
        """Wait for its first prediction.

        Raises:
            StartError: It ended, or took too long.
        """
        self._await("GET", self.launch.ping, b"", {})
        ping_s = time.monotonic() - self._start
        target = self.launch.target
        self._await("POST", target.path, Path(target.bodies[0]).read_bytes(), target.headers)
        return ColdStart(ping_s, time.monotonic() - self._start)

    def check(self, workload: Workload) -> None:
        """Ask about pictures with known answers.

        Raises:
            StartError: An answer is wrong.
        """
        target = self.launch.target
        probes = Target(
            target.port, target.path, target.headers, [target.bodies[probe.number] for probe in workload.probes]
        )
        for probe, answer in zip(workload.probes, asyncio.run(ask_each(probes)), strict=True):
            wanted = probe.classes[self.launch.reading]
            if answer.status != 200 or (found := self.launch.top_class(answer.body)) != wanted:
                said = f"class {found}" if answer.status == 200 else f"status {answer.status}"
                raise StartError(f"{self.launch.name} answers {said} to a picture of class {wanted}")

    def freeze(self) -> None:
        """Suspend all its processes, so that a polling server does not slow the measured one."""
        self._signal_all(signal.SIGSTOP)

    @contextmanager
    def thawed(self) -> Iterator[None]:
        """Run the server within this context, and freeze it afterwards."""
        self._signal_all(signal.SIGCONT)
        try:
            yield
        finally:
            self.freeze()

    def _signal_all(self, number: signal.Signals) -> None:
        for parent in [self.pid, *self._left_over()]:
            for pid in [parent, *descendants(parent)]:
                with suppress(ProcessLookupError):
                    os.kill(pid, number)

    def stop(self) -> None:
        """Send SIGTERM, and after a while SIGKILL to all its processes."""
        self._signal_all(signal.SIGCONT)
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        give_up_at = time.monotonic() + _STOP_S
        while self._process.poll() is None and time.monotonic() < give_up_at:
            # It may wait for orphans, which only we can reap.
            self._reap()
            time.sleep(_TICK_S)
        kill_group(self._process.pid)
        self._process.wait()
        self._reap()

    def _reap(self) -> None:
        for pid in self._left_over():
            reap(pid)

    def _left_over(self) -> list[int]:
        """Find the orphans of its process group that we have adopted (see `adopt_orphans`)."""
        return [pid for pid in children(os.getpid()) if pid != self.pid and group_of(pid) == self.pid]

    def _await(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> None:
        while not self._is_answered(method, path, body, headers):
            if self._process.poll() is not None and not self._left_over():
                # A start script may exit once it has started the server.
                raise StartError(f"{self.launch.name} exited with code {self._process.returncode}: {self._last_line}")
            if time.monotonic() - self._start > self.launch.limit_s:
                raise StartError(
                    f"{self.launch.name} gave no answer within {self.launch.limit_s:.0f} s: {self._last_line}"
                )
            time.sleep(_TICK_S)

    def _is_answered(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.launch.port, timeout=self.launch.limit_s)
        try:
            connection.request(method, path, body, dict(headers))
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    @property
    def _last_line(self) -> str:
        lines = [line.strip() for line in self.log.splitlines() if line.strip()]
        return lines[-1][:200] if lines else "it logged nothing"


def group_of(pid: int) -> int | None:
    """Return a process's group; None if it is gone."""
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return None


def clean_environment(**more: str) -> dict[str, str]:
    """Copy this process's environment without variables that change how a server runs."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_LEFT_OUT)}
    python_path = os.pathsep.join(filter(None, [str(_REPOSITORY), os.environ.get("PYTHONPATH")]))
    # Programs called by name are this environment's, too.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return kept | {"PYTHONPATH": python_path, "PATH": path, "PYTHONUNBUFFERED": "1", **more}


def free_port() -> int:
    """Find a port that nothing listens on, and that was not returned recently."""
    for port in itertools.islice(_PORTS, 5000):
        with socket.socket() as taken:
            try:
                taken.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise StartError("no port is free")
