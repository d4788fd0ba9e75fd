"""Containers, as Docker runs them for a user and for SageMaker."""

import http.client
import json
import os
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tests.serve.server_process import PATIENCE_S, Answer, await_true
from tests.train.conftest import JobDirectory, Result
from tests.train.launch.test_launcher import read_until


def unavailable(reason: str) -> NoReturn:
    """Skip, or fail in continuous integration."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


# Containers run beside other tests; with more threads than free cores, those mostly wait for each other.
ONE_THREAD = "OMP_NUM_THREADS=1"


@dataclass(frozen=True)
class Images:
    """Names of the two built images."""

    train: str
    serve: str


class Docker:
    """The engine, through its command line."""

    def __init__(self, program: str) -> None:
        self.program = program

    def try_(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`docker ARGUMENTS`, whatever becomes of it."""
        return subprocess.run([self.program, *arguments], capture_output=True, text=True)

    def __call__(self, *arguments: str) -> str:
        """What `docker ARGUMENTS` prints; it must succeed."""
        result = self.try_(*arguments)
        assert result.returncode == 0, f"docker {' '.join(arguments)}\n{result.stdout}{result.stderr}"
        return result.stdout.strip()

    def inspect(self, what: str) -> Any:
        """An image or a container, as the engine describes it."""
        return json.loads(self("inspect", what))[0]

    def run(self, *arguments: str) -> Result:
        """`docker run ARGUMENTS` to its end."""
        with self.start(*arguments) as container:
            return container.wait()

    @contextmanager
    def start(self, *arguments: str) -> Iterator["Container"]:
        """`docker run ARGUMENTS` in the background; removed afterwards, whatever happened."""
        name = f"slipway-test-{uuid.uuid4().hex[:12]}"
        try:
            self("run", "--detach", "--name", name, f"--env={ONE_THREAD}", *arguments)
            yield Container(self, name)
        finally:
            self.try_("rm", "--force", "--volumes", name)


class Container:
    """One that was started."""

    def __init__(self, docker: Docker, name: str) -> None:
        self._docker = docker
        self.name = name

    @property
    def state(self) -> Any:
        return self._docker.inspect(self.name)["State"]

    @property
    def logs(self) -> str:
        """What it has written so far, standard output first."""
        result = self._docker.try_("logs", self.name)
        return result.stdout + result.stderr

    def execute(self, *command: str) -> str:
        """What a command inside it prints."""
        return self._docker("exec", self.name, *command)

    def await_log(self, text: str) -> None:
        """Until it writes a line that holds the text."""
        command = [self._docker.program, "logs", "--follow", self.name]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            try:
                read_until(process.stdout, text)
            finally:
                process.kill()

    def kill(self, signal: str) -> None:
        self._docker("kill", "--signal", signal, self.name)

    def stop(self, grace_s: int) -> Result:
        """`docker stop`: SIGTERM, and SIGKILL when the grace time is over."""
        self._docker("stop", "--time", str(grace_s), self.name)
        return self.wait()

    def wait(self) -> Result:
        code = int(self._docker("wait", self.name))
        result = self._docker.try_("logs", self.name)
        return Result(code, result.stdout, result.stderr)


def as_sagemaker_mounts(job: JobDirectory) -> list[str]:
    """Arguments of `docker run`: the input can only be read, and there is no network."""
    config = job.base / "input" / "config"
    channels = sorted(path.name for path in (job.base / "input" / "data").iterdir() if path.is_dir())
    (config / "inputdataconfig.json").write_text(
        json.dumps({name: {"TrainingInputMode": "File", "S3DistributionType": "FullyReplicated"} for name in channels})
    )
    (config / "resourceconfig.json").write_text(
        json.dumps({"current_host": "algo-1", "hosts": ["algo-1"], "network_interface_name": "eth0"})
    )
    for directory in (job.model, job.base / "output"):
        directory.mkdir(exist_ok=True)
    return [
        "--network=none",
        f"--volume={job.base / 'input'}:/opt/ml/input:ro",
        f"--volume={job.model}:/opt/ml/model",
        f"--volume={job.base / 'output'}:/opt/ml/output",
        "--env=TRAINING_JOB_NAME=test",
    ]


# How long SageMaker waits after SIGTERM. Source: StopTrainingJob in the API reference, and "Use Your Own Inference
# Code with Hosting Services" in the developer guide.
TRAINING_GRACE_S = 120
SERVING_GRACE_S = 30

# What a cautious Kubernetes cluster allows.
LOCKED_DOWN = ("--user=10001", "--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--security-opt=no-new-privileges")


def open_to_all(directory: Path) -> None:
    """Let any user of a container write below it."""
    for path in (directory, *directory.rglob("*")):
        path.chmod(0o777 if path.is_dir() else 0o666)


class Server:
    """A serving container, asked through the port that it publishes on this machine."""

    def __init__(self, container: Container, port: int) -> None:
        self.container = container
        self._port = port

    def request(self, method: str, path: str, body: bytes | None = None, content_type: str = "image/jpeg") -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE_S)
        try:
            connection.request(method, path, body, {"Content-Type": content_type} if body else {})
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    def ping(self) -> int | None:
        """The status of /ping, or None where nothing listens yet."""
        try:
            return self.request("GET", "/ping").status
        except OSError:
            return None

    def await_ready(self) -> list[int]:
        """The different statuses of /ping up to the first 200, in order."""
        seen: list[int] = []

        def ready() -> bool:
            assert self.container.state["Running"], f"the server ended:\n{self.container.logs}"
            status = self.ping()
            if status is not None and [status] != seen[-1:]:
                seen.append(status)
            return status == 200

        await_true(ready, "the server is ready")
        return seen


@contextmanager
def serving(docker: Docker, image: str, model_dir: Path, *arguments: str, port: int = 8080) -> Iterator[Server]:
    """The image serves a model directory that it can only read."""
    mount = f"--volume={model_dir}:/opt/ml/model:ro"
    # The engine would ask after ten seconds first; a test can ask earlier.
    options = (mount, f"--publish=127.0.0.1::{port}", "--health-interval=1s", *arguments)
    with docker.start(*options, image) as container:
        published = docker("port", container.name, f"{port}/tcp")
        yield Server(container, int(published.rpartition(":")[2]))
