"""Training jobs in Docker on this machine, from a request in the shape of CreateTrainingJob."""

import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docker.types import Mount

from slipway.aws.connection import Aws
from slipway.errors import JobError, RemoteJobError, SettingError
from slipway.local.addresses import on_this_machine, require_local
from slipway.local.archives import pack, put_files, read_text
from slipway.local.containers import Group, Started, group
from slipway.local.layout import (
    CHANNELS,
    CHECKPOINTS,
    FAILURE,
    FOLDERS,
    MODEL,
    OUTPUT,
    config_files,
    hosts_of,
    job_environment,
)

GRACE_S = 120
"""Time in seconds between SIGTERM and SIGKILL; SageMaker's."""


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What a job left, in its output folder."""

    model: Path | None
    """model.tar.gz; None if the job left no model."""
    output: Path
    """output.tar.gz: the content of /opt/ml/output."""
    stopped: bool = False
    """Whether Ctrl-C stopped the job."""


def train(request: Mapping[str, Any], show: Callable[[str], None] = print, *, aws: Aws | None = None) -> Trained:
    """Run a training job to its end; Ctrl-C stops it as StopTrainingJob does, and keeps what it has saved.

    Args:
        request: As CreateTrainingJob takes it, with InstanceType `local` or `local_gpu`. The channels, the output path
            and the checkpoints may be folders (file://FOLDER or a path); a channel in S3 is downloaded first.
        show: Called with each line of the containers' output, with the host's name before it if there are several.
        aws: Credentials and region for S3; None: those of Settings.

    Returns:
        The archives, which belong to the calling user.

    Raises:
        RemoteJobError: The job failed; the message has the reason from its failure file, or its last output.
        SettingError: A channel does not exist, or the request asks for what local mode cannot do.
        SpaceError: The disk is full.
        ServiceError: Docker does not answer or refuses, or there is no such image.
    """
    folder = _made(request["OutputDataConfig"]["S3OutputPath"], "the output path")
    with ExitStack() as stack:
        # Channels are looked at before Docker is, and downloads deleted after the containers.
        mounts = [
            _mount(
                channel["ChannelName"], stack.enter_context(on_this_machine(_address(channel), _named(channel), aws))
            )
            for channel in request.get("InputDataConfig", ())
        ]
        if checkpoints := request.get("CheckpointConfig"):
            source = _made(checkpoints["S3Uri"], "the checkpoints' folder")
            mounts.append(Mount(checkpoints.get("LocalPath", CHECKPOINTS), str(source), type="bind"))
        name, image = request["TrainingJobName"], request["AlgorithmSpecification"]["TrainingImage"]
        isolated = bool(request.get("EnableNetworkIsolation"))
        containers = stack.enter_context(group(name, image, isolated=isolated))
        return _run(request, containers, mounts, folder, show)


def _address(channel: Mapping[str, Any]) -> str:
    source = channel["DataSource"].get("S3DataSource")
    if source is None:
        raise SettingError(f"{_named(channel)} is on a file system of AWS, which local mode does not mount")
    return str(source["S3Uri"])


def _named(channel: Mapping[str, Any]) -> str:
    return f"the {channel['ChannelName']} channel"


def _mount(channel: str, path: Path) -> Mount:
    # SageMaker too puts a single object into the channel's folder.
    target = f"{CHANNELS}/{channel}" if path.is_dir() else f"{CHANNELS}/{channel}/{path.name}"
    return Mount(target, str(path), type="bind", read_only=True)


def _made(address: str, what: str) -> Path:
    """Make the folder of an address, unless it is there; return it."""
    path = Path(require_local(address, what))
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise JobError(f"{what} {path} cannot be made: {error.strerror}") from error
    return path.resolve()


def _run(
    request: Mapping[str, Any],
    containers: Group,
    mounts: list[Mount],
    folder: Path,
    show: Callable[[str], None],
) -> Trained:
    algorithm, hosts = request["AlgorithmSpecification"], hosts_of(request)
    entrypoint, arguments = algorithm.get("ContainerEntrypoint"), algorithm.get("ContainerArguments")
    # A mounted folder keeps its owner.
    folders = [folder for folder in FOLDERS if folder not in {mount["Target"] for mount in mounts}]
    made = []
    for host in hosts:
        container = containers.create(
            algorithm["TrainingImage"],
            host,
            environment=job_environment(request),
            gpu=request["ResourceConfig"]["InstanceType"] == "local_gpu",
            mounts=mounts,
            entrypoint=entrypoint,
            command=arguments or (None if entrypoint else ["train"]),
        )
        put_files(container, config_files(request, hosts, host), folders)
        made.append(container)
    log = _Log([Started(container, host) for container, host in zip(made, hosts, strict=True)], show)
    interruption: BaseException | None = None
    try:
        log.follow()
    except (KeyboardInterrupt, SystemExit) as error:
        interruption = error
        log.stop()
        log.follow()  # a second Ctrl-C ends the containers at once
    output, model = folder / "output.tar.gz", folder / "model.tar.gz"
    pack(made, OUTPUT, output)
    if log.failed and interruption is None:
        failures = [read_text(one, FAILURE) for one in (log.failed.container, *made)]
        reason = next(filter(None, (text.strip().partition("\n\n")[0] for text in failures)), "")
        name = request["TrainingJobName"]
        raise RemoteJobError(f"the training job {name} failed in local mode: {reason or log.failed.reason()}")
    if not pack(made, MODEL, model):
        model.unlink()
    if isinstance(interruption, SystemExit):
        raise interruption
    return Trained(model=model if model.exists() else None, output=output, stopped=interruption is not None)


class _Log:
    """Shows the lines of running containers until all have ended."""

    def __init__(self, running: Sequence[Started], show: Callable[[str], None]) -> None:
        self._running = running
        self._left = len(running)
        self._show = show
        self._events: queue.SimpleQueue[str | Started] = queue.SimpleQueue()
        self.failed: Started | None = None
        """The first container that failed."""
        for one in running:
            one.follow(self._taker(one), self._events.put)

    def _taker(self, one: Started) -> Callable[[str], None]:
        if len(self._running) == 1:
            return self._events.put
        return lambda line: self._events.put(f"{one.host} | {line}")

    def follow(self) -> None:
        while self._left:
            event = self._events.get()
            if isinstance(event, str):
                self._show(event)
                continue
            self._left -= 1
            if event.code and self.failed is None:
                self.failed = event
                self.stop()  # the others wait for it

    def stop(self) -> None:
        """Begin to stop what runs; its lines are still shown."""
        for one in self._running:
            threading.Thread(target=one.stop, args=(GRACE_S,), daemon=True).start()
