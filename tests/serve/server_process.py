"""A real server as a process of its own, and what tests ask of it over HTTP."""

import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[2]

# Far more than it takes, because other work may share the machine.
PATIENCE_S = 400.0


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> str:
        """The message of an error, whose form is checked on the way."""
        assert self.headers["content-type"] == "application/json"
        assert list(self.json) == ["error"]
        fields = self.json["error"]
        assert sorted(fields) == ["message", "request_id", "status"]
        assert fields["status"] == self.status
        assert fields["request_id"] == self.headers["x-request-id"]
        return str(fields["message"])


def await_true(condition: Callable[[], Any], what: str, patience_s: float = PATIENCE_S, pause_s: float = 0.02) -> Any:
    """Ask until the condition holds, and return its value; the pauses grow, since asking takes CPU time."""
    began = time.monotonic()
    while not (value := condition()):
        waited_s = time.monotonic() - began
        assert waited_s < patience_s, f"waited {patience_s:.0f} s in vain: {what}"
        time.sleep(max(pause_s, min(waited_s / 10, 0.3)))
    return value


def serve_command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "container.serve.supervisor", *arguments]


def environment(base_dir: Path, **settings: str) -> dict[str, str]:
    """A clean one: what the machine's own sets is not a test's business."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SAGEMAKER_", "SLIPWAY_"))}
    return {
        **kept,
        "PYTHONPATH": os.pathsep.join(filter(None, (str(REPOSITORY), os.environ.get("PYTHONPATH")))),
        "SAGEMAKER_BASE_DIR": str(base_dir),
        "SAGEMAKER_BIND_TO_PORT": "0",
        "SLIPWAY_HOST": "127.0.0.1",
        # The tests' models are small, and the machine may be busy.
        "OMP_NUM_THREADS": "1",
        **settings,
    }


class ServerProcess:
    """Started on construction; see `stop`."""

    def __init__(self, base_dir: Path, log_dir: Path, **settings: str) -> None:
        self._log = log_dir / "stdout.log"
        self._errors = log_dir / "stderr.log"
        # Short, because a socket's path must be; what a killed supervisor leaves there goes in `kill`.
        self._temporary = tempfile.mkdtemp(prefix="slipway-test-")
        settings = {"TMPDIR": self._temporary, **settings}
        with self._log.open("wb") as out, self._errors.open("wb") as err:
            self.process = subprocess.Popen(
                serve_command(), env=environment(base_dir, **settings), stdout=out, stderr=err, cwd=log_dir
            )

    @property
    def log(self) -> str:
        """All that the server wrote to its standard output."""
        return self._log.read_text(errors="replace")

    @property
    def errors(self) -> str:
        return self._errors.read_text(errors="replace")

    @cached_property
    def port(self) -> int:
        # As text and as JSON.
        pattern = r'event(?:=|": ")listening.*port(?:=|": )(\d+)'
        match = await_true(lambda: re.search(pattern, self.log), "the server listens")
        return int(match[1])

    def await_ready(self) -> None:
        def ready() -> bool:
            assert self.process.poll() is None, f"the server ended:\n{self.log}\n{self.errors}"
            return self.ping().status == 200

        await_true(ready, "the server is ready")

    def request(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None, chunked: bool = False
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            connection.request(method, path, body, headers or {}, encode_chunked=chunked)
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    def ping(self) -> Answer:
        return self.request("GET", "/ping")

    def post(self, body: Any, content_type: str | None = "image/jpeg", accept: str | None = None) -> Answer:
        """One invocation."""
        headers = {"Content-Type": content_type, "Accept": accept}
        return self.request("POST", "/invocations", body, {k: v for k, v in headers.items() if v is not None})

    def events(self, name: str) -> list[dict[str, str]]:
        """The fields of every log line of one kind, in order."""
        lines = [line for line in self.log.splitlines() if f"event={name} " in line or line.endswith(f"event={name}")]
        return [dict(re.findall(r'(\w+)=("(?:[^"\\]|\\.)*"|\S+)', line)) for line in lines]

    @property
    def records(self) -> list[dict[str, Any]]:
        """Every line of a log in JSON; the last one may be on its way."""
        return [json.loads(line) for line in self.log.splitlines(keepends=True) if line.endswith("\n")]

    def worker_of(self, answer: Answer) -> int:
        """Process id of the worker that gave an answer, by the log."""
        lines = await_true(lambda: self.request_lines(answer), "the request is logged")
        return int(lines[0]["worker"])

    def request_lines(self, answer: Answer) -> list[dict[str, str]]:
        """The log lines of one request."""
        return [line for line in self.events("request") if line["id"] == answer.headers["x-request-id"]]

    def stop(self) -> int:
        """SIGTERM, then the exit code; afterwards nothing of it is left."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(PATIENCE_S)
        finally:
            self.kill()

    def kill(self) -> None:
        """The last resort; the parts of the server end with the supervisor."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self._temporary, ignore_errors=True)

    def left_behind(self) -> list[str]:
        """Names of what is in the directory for temporary files."""
        return [path.name for path in Path(self._temporary).iterdir()]

    def descendants(self) -> set[int]:
        """Every process that the supervisor has started, directly or not."""
        parents = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    text = (entry / "stat").read_text()
                    parents[int(entry.name)] = int(text.rpartition(")")[2].split()[1])
        found = {self.process.pid}
        while more := {pid for pid, parent in parents.items() if parent in found} - found:
            found |= more
        return found - {self.process.pid}


@contextlib.contextmanager
def running(server: ServerProcess) -> Iterator[ServerProcess]:
    """It runs from entering to leaving; then it ends with 0, and has nothing to say."""
    try:
        yield server
        assert server.stop() == 0, server.log
        assert server.errors == ""
    finally:
        server.kill()
