"""Containers of one job or endpoint, with a network of their own; all are removed at the end."""

import signal
import threading
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

from docker.client import DockerClient
from docker.errors import DockerException
from docker.models.containers import Container
from docker.types import DeviceRequest, LogConfig

from slipway.local.engine import connected, explained, require_image

LABEL = "slipway.local"
"""Label of every container and network, with the name of the job or endpoint."""
_RUN = f"{LABEL}.run"
_LAST_LINES = 5
_VANISHED = -1


class Started:
    """A container that has been started.

    Args:
        container: One that was created.
        host: Its host name.

    Raises:
        ServiceError: Docker cannot start it.
    """

    def __init__(self, container: Container, host: str) -> None:
        self.container = container
        self.host = host
        self.ended = threading.Event()
        self.code: int | None = None
        """Exit code, once the container has ended."""
        self._last: deque[str] = deque(maxlen=_LAST_LINES)
        with explained("starting the container"):
            # Attached before the start, so that no line is missed.
            self._output = container.attach(stdout=True, stderr=True, stream=True, logs=True, demux=True)
            container.start()

    def follow(self, show: Callable[[str], None], end: Callable[["Started"], None] = lambda started: None) -> None:
        """Read the output in a thread.

        Args:
            show: Called with each line.
            end: Called with this object when the container has ended.
        """

        def read() -> None:
            try:
                for line in _lines(self._output):
                    if line.strip():
                        self._last.append(line.strip())
                    show(line)
            finally:
                try:
                    self.code = int(self.container.wait()["StatusCode"])
                except (DockerException, OSError):
                    self.code = _VANISHED
                self.ended.set()
                end(self)

        threading.Thread(target=read, name=f"log of {self.host}", daemon=True).start()

    def stop(self, grace_s: int) -> None:
        """Stop as `docker stop` does: SIGTERM, and SIGKILL after the grace time in seconds."""
        # Where Docker fails, the container is removed by force in the end.
        with suppress(DockerException, OSError):
            self.container.stop(timeout=grace_s)

    def reason(self) -> str:
        """Why it ended: the exit code, and its last lines of output."""
        how = f"exited with code {self.code}"
        try:
            self.container.reload()
            if self.container.attrs["State"].get("OOMKilled"):
                how += ", because its memory was used up"
        except (DockerException, OSError):
            how = "was removed, or Docker was stopped"
        return f"the container {how}" + (f"; its last output: {' / '.join(self._last)}" if self._last else "")


def _lines(output: Iterator[tuple[bytes | None, bytes | None]]) -> Iterator[str]:
    """Split a container's two streams into lines, without mixing them."""
    rest = [b"", b""]
    for frame in output:
        for number, data in enumerate(frame):
            *lines, rest[number] = (rest[number] + (data or b"")).split(b"\n")
            yield from (line.decode(errors="replace").rstrip("\r") for line in lines)
    yield from (line.decode(errors="replace") for line in rest if line)


class Group:
    """The containers of one job or endpoint.

    Args:
        client: The engine.
        name: Name of the job or endpoint.
        labels: Labels of the containers.
        network: Id of their network.
    """

    def __init__(self, client: DockerClient, name: str, labels: Mapping[str, str], network: str) -> None:
        self._client = client
        self._name = name
        self._labels = labels
        self._network = network

    def create(
        self, image: str, host: str, *, environment: Mapping[str, str], gpu: bool = False, **settings: Any
    ) -> Container:
        """Create a container, which is not started.

        Args:
            image: The image.
            host: Host name, by which the others of the group reach it.
            environment: Environment variables.
            gpu: Give it all GPUs.
            settings: Further arguments of docker-py's containers.create.

        Raises:
            ServiceError: Docker refuses.
        """
        with explained("creating the container"):
            return self._client.containers.create(
                image,
                name=f"{self._name}-{host}",
                hostname=host,
                environment=dict(environment),
                labels=dict(self._labels),
                network=self._network,
                networking_config={self._network: self._client.api.create_endpoint_config(aliases=[host])},
                # The engine's default may be a driver that cannot be read from.
                log_config=LogConfig(type=LogConfig.types.JSON),
                # Linux's own default for a machine: half of the memory, which is only used as it fills.
                shm_size=self._client.info()["MemTotal"] // 2,
                # Where SELinux is on, it keeps containers from reading a user's folders.
                security_opt=["label=disable"],
                device_requests=[DeviceRequest(count=-1, capabilities=[["gpu"]])] if gpu else None,
                **settings,
            )


@contextmanager
def group(name: str, image: str, *, isolated: bool = False) -> Iterator[Group]:
    """Yield a group of containers that leaves nothing behind: neither containers nor their network.

    Args:
        name: Name of the job or endpoint, of which the containers' names are made.
        image: Checked, and pulled where it is one of a registry.
        isolated: Let the containers reach each other alone.

    Raises:
        ServiceError: Docker does not answer or refuses, or there is no such image.
    """
    labels = {LABEL: name, _RUN: uuid.uuid4().hex}
    with connected() as client:
        require_image(client, image)
        try:
            with explained("creating the containers' network"):
                network = client.networks.create(name, driver="bridge", internal=isolated, labels=labels)
            yield Group(client, name, labels, network.id)
        finally:
            with _uninterrupted():
                _remove(client, f"{_RUN}={labels[_RUN]}")


def _remove(client: DockerClient, label: str) -> None:
    """Remove what has the label, also what Docker made when Ctrl-C cut off its answer."""
    with suppress(DockerException, OSError):
        containers = client.containers.list(all=True, filters={"label": label}, ignore_removed=True)
        with ThreadPoolExecutor() as pool:
            list(pool.map(_remove_one, containers))
        for network in client.networks.list(filters={"label": label}):
            network.remove()


def _remove_one(container: Container) -> None:
    with suppress(DockerException, OSError):
        container.remove(force=True, v=True)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Ignore signals that would end the program, for the second that the body takes."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
