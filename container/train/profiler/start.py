"""The start of a job's profiler."""

import logging
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pynvml  # type: ignore[import-untyped]

from container.best_effort import BestEffort
from container.contract.errors import TrainingError
from container.contract.hyperparameters import TrainConfig
from container.contract.paths import MlPaths
from container.cpus import available_cpus
from container.train.device import Device
from container.train.launch.distributed import World
from container.train.launch.hosts import read_hosts
from container.train.profiler.device_timing import DeviceClock
from container.train.profiler.facts import Facts
from container.train.profiler.gpu_readings import GpuReadings
from container.train.profiler.host_readings import HostReadings, memory_bytes
from container.train.profiler.kernel_readings import KernelReadings
from container.train.profiler.process_readings import ProcessReadings
from container.train.profiler.profiler import NoProfiler, Profiler
from container.train.profiler.recorder import Recorder
from container.train.profiler.recording import ProcessPlace, Recording
from container.train.profiler.sampler import Reader, Sampler
from container.train.profiler.system_samples import SystemFiles
from container.train.profiler.timeline import Timeline
from container.train.profiler.timeline_configuration import read_timeline_configuration
from container.train.profiler.timing import HostClock, StepClock
from container.train.profiler.window import Window

logger = logging.getLogger(__name__)

DIRECTORY = "profile"
"""The profile's folder in the job's output data."""


def start_profiler(
    config: TrainConfig,
    paths: MlPaths,
    world: World,
    device: Device,
    *,
    job: str,
    pictures: Mapping[str, int],
    step_seconds: Mapping[int, float],
    versions: Mapping[str, str],
) -> Profiler:
    """Start the profiler, unless `profile` is false. Every process of the job calls this.

    Args:
        config: The job's hyperparameters.
        paths: The job's directories.
        world: The job's processes.
        device: The device that this process trains on.
        job: The job's name.
        pictures: Number of pictures by split.
        step_seconds: Seconds of a step by its pictures, timed before training.
        versions: Versions of the packages that matter.
    """
    directory = paths.output_data / DIRECTORY
    if world.local_rank == 0:
        shutil.rmtree(directory, ignore_errors=True)  # an earlier job's
    if not config.profile:
        return NoProfiler()
    node = _node(paths.config)
    # This also waits until the first process of each host has removed the earlier profile.
    places = world.gather((node, world.local_rank))
    processes = [ProcessPlace(rank=rank, node=name, local_rank=local) for rank, (name, local) in enumerate(places)]
    clock: StepClock = DeviceClock(device.torch_device) if device.is_cuda else HostClock()
    writing = BestEffort("the profile cannot be written; training goes on without it", OSError)
    return Recording(
        directory,
        world,
        processes,
        Facts(
            job=job,
            device=device,
            cpus=max(1, available_cpus() // world.local_size),
            batch_size=config.batch_size,
            pictures=pictures,
            step_seconds=step_seconds,
            settings=config.to_strings(),
            versions=versions,
        ),
        started=psutil.Process().create_time(),
        clock=clock,
        writing=writing,
        recorder=Recorder(
            directory,
            world.rank,
            clock,
            writing,
            sampler=_sampler(directory, world, node, device) if world.local_rank == 0 else None,
            timeline=_timeline(paths, world, node),
        ),
        window=Window(directory / "window", writing, on_gpu=device.is_cuda) if world.is_first else None,
    )


def _node(config: Path) -> str:
    """Return the host's name in SageMaker's form: readers of its files expect algo-1, algo-2 and so on."""
    hosts = read_hosts(config)
    return hosts.current if re.fullmatch(r"algo-\d+", hosts.current) else f"algo-{hosts.index + 1}"


def _sampler(directory: Path, world: World, node: str, device: Device) -> Sampler:
    process = psutil.Process()
    # The processes of a host share a parent, which started them.
    root = (process.parent() or process) if world.local_size > 1 else process
    readers: list[Reader] = []
    makers: tuple[Callable[[], Reader], ...] = (
        HostReadings,
        lambda: ProcessReadings(root.pid, process.pid, memory_bytes()),
        KernelReadings,
    )
    for make in makers:
        try:
            readers.append(make())
        except (OSError, RuntimeError, ValueError, KeyError, psutil.Error) as error:
            logger.warning("a part of the machine cannot be monitored: %s: %s", type(error).__name__, error)
    if device.is_cuda:
        try:
            readers.append(GpuReadings())
        except pynvml.NVMLError as error:
            logger.warning("the GPU cannot be monitored: %s", error)
    return Sampler(readers, SystemFiles(directory / "system", node))


def _timeline(paths: MlPaths, world: World, node: str) -> Timeline | None:
    try:
        configuration = read_timeline_configuration(paths)
    except TrainingError as error:
        logger.warning("%s", error)
        return None
    return Timeline(configuration, rank=world.rank, node=node) if configuration else None
