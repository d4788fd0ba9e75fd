"""A serving container in Docker on this machine, from a model in the shape of CreateModel."""

import http.client
import socket
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docker.types import Mount

from slipway.aws.connection import Aws
from slipway.errors import EndpointError, NoServerError, SettingError
from slipway.files.archive import unpack_model
from slipway.inference.invocations import TIMEOUT_S
from slipway.local.addresses import on_this_machine
from slipway.local.containers import Started, group
from slipway.local.layout import MODEL, REGION

GRACE_S = 30
"""Time in seconds between SIGTERM and SIGKILL; SageMaker's."""
PORT = 8080
"""Port inside the container, and the default one of this machine."""

_PING_TIMEOUT_S = 2.0
_POLL_S = 0.1


@dataclass(frozen=True)
class Answer:
    """A container's answer to a request."""

    status: int
    content_type: str
    body: bytes


class LocalEndpoint:
    """A serving container that answers at a port of this machine.

    Args:
        started: The container.
        port: The port.
    """

    def __init__(self, started: Started, port: int) -> None:
        self._started = started
        self._port = port
        self.url = f"http://127.0.0.1:{port}"

    def invoke(
        self,
        body: bytes,
        content_type: str = "application/x-image",
        accept: str = "application/json",
        **headers: str,
    ) -> Answer:
        """Post a request to /invocations; may be called from several threads.

        Args:
            body: The request's body.
            content_type: Its content type.
            accept: Content type of the answer.
            headers: Further headers.

        Raises:
            NoServerError: The container does not answer, or has ended; the message has its last output.
        """
        given = {"Content-Type": content_type, "Accept": accept, **headers}
        try:
            return self._request("POST", "/invocations", TIMEOUT_S, body, given)
        except (OSError, http.client.HTTPException) as error:
            why = self._started.reason() if self._started.ended.wait(_POLL_S) else f"it does not answer ({error})"
            raise NoServerError(f"the serving container at {self.url} failed: {why}") from error

    def wait(self) -> None:
        """Wait until the container ends by itself, which is an error, or until KeyboardInterrupt.

        Raises:
            EndpointError: The container has ended; the message has its last output.
        """
        self._started.ended.wait()
        raise EndpointError(f"the serving container has ended: {self._started.reason()}")

    def stop(self) -> None:
        """Stop the container, which may answer what it has begun."""
        self._started.stop(GRACE_S)

    def _wait_until_ready(self) -> None:
        while not self._answers_ping():
            if self._started.ended.wait(_POLL_S):
                raise EndpointError(f"the serving container did not start: {self._started.reason()}")

    def _answers_ping(self) -> bool:
        try:
            return self._request("GET", "/ping", _PING_TIMEOUT_S).status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False

    def _request(
        self,
        method: str,
        path: str,
        timeout: float,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=timeout)
        try:
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            return Answer(response.status, response.getheader("Content-Type", ""), response.read())
        finally:
            connection.close()


@contextmanager
def serve(
    model: Mapping[str, Any],
    *,
    port: int | None = PORT,
    gpu: bool = False,
    show: Callable[[str], None] = print,
    aws: Aws | None = None,
) -> Iterator[LocalEndpoint]:
    """Serve a model while the body runs.

    Args:
        model: As CreateModel takes it, with one container; its ModelDataUrl may be a model directory, a job directory
            or a model.tar.gz (file://PATH or a path). A model in S3 is downloaded first.
        port: Port of this machine, reachable from it alone; None: any free one.
        gpu: Give the container all GPUs.
        show: Called with each line of the container's output, from another thread.
        aws: Credentials and region for S3; None: those of Settings.

    Yields:
        The endpoint, once the container answers /ping with 200.

    Raises:
        SettingError: The port is taken, or the model asks for what local mode cannot do.
        JobError, ArchiveError: There is no model at the address.
        EndpointError: The container exited before it was ready; the message has its last output.
        ServiceError: Docker does not answer or refuses, or there is no such image.
    """
    container = _only_container(model)
    if port is not None:
        _require_free(port)
    with (
        tempfile.TemporaryDirectory(prefix="slipway-model-") as scratch,
        on_this_machine(container["ModelDataUrl"], "the model", aws) as found,
        group(model["ModelName"], container["Image"]) as containers,
    ):
        made = containers.create(
            container["Image"],
            "algo-1",
            environment={"AWS_REGION": REGION, **container.get("Environment", {})},
            gpu=gpu,
            mounts=[Mount(MODEL, str(_unpacked(found, Path(scratch))), type="bind", read_only=True)],
            command=["serve"],
            ports={f"{PORT}/tcp": ("127.0.0.1", port)},
        )
        started = Started(made, "algo-1")
        started.follow(show)
        made.reload()
        endpoint = LocalEndpoint(started, int(made.ports[f"{PORT}/tcp"][0]["HostPort"]))
        try:
            endpoint._wait_until_ready()
            yield endpoint
        finally:
            endpoint.stop()


def _only_container(model: Mapping[str, Any]) -> Mapping[str, Any]:
    containers = [model["PrimaryContainer"]] if "PrimaryContainer" in model else model.get("Containers", [])
    if len(containers) != 1 or "ModelDataUrl" not in containers[0] or containers[0].get("Mode") == "MultiModel":
        raise SettingError("local mode serves one container with the model of one ModelDataUrl")
    if model.get("EnableNetworkIsolation"):
        raise SettingError("local mode reaches the container over its network, which network isolation takes away")
    found: Mapping[str, Any] = containers[0]
    return found


def _require_free(port: int) -> None:
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            raise SettingError(
                f"something else answers at port {port} of this machine already, perhaps another endpoint of local "
                "mode or slipway serve; stop it, or give another port with --port"
            )


def _unpacked(path: Path, scratch: Path) -> Path:
    from slipway.processes.serving import model_files_directory

    if path.is_dir():
        return model_files_directory(path).resolve()
    unpack_model(path, scratch)
    return scratch
