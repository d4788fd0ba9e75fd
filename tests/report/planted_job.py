"""Real training jobs in which a fault is planted, recorded so that the speed and load of the machine decide nothing.

A job is all that `container.train.program` makes of hyperparameters and pictures, except that

- its clock counts its own CPU time, and sleeping is over at once (`JobClock`);
- a batch's forward sleeps for ten seconds, beside which it makes no difference what the real work took;
- the machine's CPUs and memory are those of one that does nothing else; the memory of the job's processes is real;
- the machine is sampled at the end of each phase of a step, so that seconds of training have enough samples;
- a GPU is one that NVML's stub tells of: the profiler is told that the job trains on it, while a CPU does the work.
"""

import ctypes
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import torch

from container.contract.step_phases import Phase
from container.preprocessing import Preprocessing
from container.train import program
from container.train.launch.torchrun import free_port
from container.train.loop import prepare
from container.train.profiler import host_readings, process_readings, sampler, start
from container.train.profiler.profiler import Profiler
from container.train.profiler.system_samples import Reading, SystemFiles
from container.train.profiler.timing import HostClock
from tests.report.job_clock import JobClock
from tests.train.conftest import JobDirectory

Plant = Callable[[], None]
"""Called in each process of a job before it trains. It must be a module's."""


def run_planted(directory: JobDirectory, plant: Plant, *, ranks: int = 1, stub: Path | None = None) -> Path:
    """Run a job.

    Args:
        directory: Its own; the channels and hyperparameters are there.
        plant: The fault.
        ranks: Processes.
        stub: The directory of NVML's stub, where the job believes in a GPU.

    Returns:
        The profile.
    """
    context = multiprocessing.get_context("forkserver")
    # torch is imported once for all jobs.
    context.set_forkserver_preload([__name__])
    port = free_port()
    logs = [directory.base / f"log-{rank}" for rank in range(ranks)]
    processes = [
        context.Process(target=_enter, args=(directory.base, rank, ranks, port, stub, plant, log), daemon=True)
        for rank, log in enumerate(logs)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * ranks, [log.read_text() for log in logs]
    return directory.data / start.DIRECTORY


def _enter(base: Path, rank: int, ranks: int, port: int, stub: Path | None, plant: Plant, log: Path) -> None:
    with log.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.environ |= {"SAGEMAKER_BASE_DIR": str(base), "OMP_NUM_THREADS": "1"}
    if ranks > 1:
        os.environ |= _place(rank, ranks, port)
    clock = JobClock()
    clock.install()
    _watch_a_quiet_machine(clock)
    _work_for_ten_seconds_a_batch()
    if stub:
        _believe_in_a_gpu(stub)
    plant()
    sys.exit(program.main())


def _place(rank: int, ranks: int, port: int) -> Mapping[str, str]:
    """What torchrun tells a process."""
    return {
        "TORCHELASTIC_RUN_ID": "training",
        "RANK": str(rank),
        "WORLD_SIZE": str(ranks),
        "LOCAL_RANK": str(rank),
        "LOCAL_WORLD_SIZE": str(ranks),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "GLOO_SOCKET_IFNAME": "lo",
    }


class QuietMachine(host_readings.HostReadings):
    """Its memory is read each time."""

    def __call__(self) -> list[Reading]:
        self._count = 0
        return super().__call__()

    def _cpus(self, used: float) -> list[Reading]:
        return [Reading("cpu", "cpu0", "CPUUtilization", 60.0), Reading("cpu", "cpu0", "I/OWaitPercentage", 0.0)]

    def _memory_percent(self) -> float:
        return 40.0


class QuietProcesses(process_readings.ProcessReadings):
    """The job's own memory is real, and read each time; its CPUs are its own."""

    def __call__(self) -> list[Reading]:
        self._count = process_readings.SAMPLES_PER_READING - 1
        memory = [reading for reading in super().__call__() if reading.dimension.startswith("MemoryUsed")]
        return [
            *memory,
            Reading("process", "job", "CPUUtilization", 60.0),
            Reading("process", "others", "CPUUtilization", 0.0),
            Reading("process", "trainer", "CPUUtilization", 60.0),
            Reading("process", "trainer", "CPUWaitPercentage", 0.0),
            Reading("process", "trainer", "ThreadsCPUWaitPercentage", 0.0),
        ]


def quiet_kernel() -> sampler.Reader:
    return lambda: [Reading("kernel", "cpu", "StealPercentage", 0.0)]


class PhaseSampler(sampler.Sampler):
    """Asked by the clock of steps, and by nobody else."""

    made: ClassVar[list["PhaseSampler"]] = []

    def __init__(self, readers: Sequence[sampler.Reader], files: SystemFiles) -> None:
        super().__init__(readers, files, clock=time.time)
        self.made.append(self)

    def sample_if_due(self) -> None:
        pass

    def sample(self) -> None:
        super().sample_if_due()


def _watch_a_quiet_machine(clock: JobClock) -> None:
    class SamplingClock(HostClock):
        def mark(self, phase: Phase) -> None:
            super().mark(phase)
            with clock.stopped():
                for each in PhaseSampler.made:
                    each.sample()

    sampler.INTERVAL_S = 0
    start.Sampler = PhaseSampler
    start.HostReadings = QuietMachine
    start.ProcessReadings = QuietProcesses
    start.KernelReadings = quiet_kernel
    start.HostClock = SamplingClock
    start.DeviceClock = lambda device: SamplingClock()


def _work_for_ten_seconds_a_batch() -> None:
    normalizer = Preprocessing.normalizer

    def slow(preprocessing: Preprocessing, device: torch.device) -> Callable[[torch.Tensor], torch.Tensor]:
        normalize = normalizer(preprocessing, device)

        def slowly(pictures: torch.Tensor) -> torch.Tensor:
            time.sleep(10)
            return normalize(pictures)

        return slowly

    Preprocessing.normalizer = slow


def _believe_in_a_gpu(stub: Path) -> None:
    ctypes.CDLL(str(stub / "libnvidia-ml.so.1"))
    os.environ |= {"SLIPWAY_STUB_BUSY": "95", "SLIPWAY_STUB_USED": str(12 * 1024)}
    torch.cuda.device_count = lambda: 1
    torch.cuda.get_device_properties = lambda index: SimpleNamespace(
        name="Stub GPU", total_memory=16 * 2**30, uuid="of the stub"
    )
    begin = prepare.start_profiler

    def on_a_gpu(config: Any, paths: Any, world: Any, device: Any, **facts: Any) -> Profiler:
        return begin(config, paths, world, replace(device, torch_device=torch.device("cuda")), **facts)

    prepare.start_profiler = on_a_gpu
