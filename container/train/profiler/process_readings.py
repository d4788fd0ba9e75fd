"""Readings of the job's own processes, beside those of the whole machine, and of what other programs take from them.

Type `process`, of three names: `job` is the tree of its processes, `trainer` the process that samples, and `readers`
are its DataLoader workers. `others` are all other programs on the CPUs that this process may use; the busiest of them
stand there by their names too. All are percentages of one CPU, or of the time; see proc(5) and the kernel's
Documentation/scheduler/sched-stats.
"""

import os
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from container.processes import descendants
from container.train.machine_time import machine_seconds
from container.train.profiler.system_samples import Reading

SAMPLES_PER_READING = 2
# It reads a file for each process of the machine.
_READINGS_PER_LIST_OF_PROGRAMS = 8
_BUSY_PROGRAM_PERCENT, _MOST_PROGRAMS = 10.0, 3
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(slots=True)
class _Use:
    """What one process has used since it began."""

    cpu_s: float = 0.0
    waiting_s: float = 0.0
    """Time in which its threads could have run and had no CPU."""
    main_cpu_s: float = 0.0
    main_waiting_s: float = 0.0
    voluntary: int = 0
    involuntary: int = 0
    waits_for_disk: bool = False
    memory_bytes: int = 0
    """Pages that processes share count for each."""


@dataclass(slots=True)
class _Moment:
    at: float
    machine_cpu_s: float
    """CPU time that all programs used of the CPUs that this process may use."""
    processes: dict[int, _Use] = field(default_factory=dict)


class ProcessReadings:
    """Reads the job's processes at every second call, over the time since the previous reading.

    Args:
        root: The root of the tree of the job's processes.
        trainer: The process that trains, one of them.
        memory_bytes: The memory that the job may use.
    """

    def __init__(self, root: int, trainer: int, memory_bytes: int) -> None:
        self._root = root
        self._memory_bytes = memory_bytes
        self._trainer = trainer
        self._count = 0
        self._states: list[str] = []
        self._programs: tuple[float, dict[int, tuple[str, float]]] = (time.monotonic(), {})
        self._before = self._look()

    def __call__(self) -> list[Reading]:
        self._count += 1
        if stat := _stat(Path(f"/proc/{self._trainer}")):
            self._states.append(stat[1][0])
        if self._count % SAMPLES_PER_READING:
            return []
        before, now = self._before, self._look()
        self._before = now
        elapsed = max(now.at - before.at, 1e-3)
        grown = {pid: _growth(before.processes.get(pid, _Use()), use) for pid, use in now.processes.items()}
        job = 100 * sum(use.cpu_s for use in grown.values()) / elapsed
        machine = 100 * (now.machine_cpu_s - before.machine_cpu_s) / elapsed
        others = max(0.0, machine - job)
        memory = sum(use.memory_bytes for use in now.processes.values())
        readings = [
            Reading("memory", "process", "MemoryUsedBytes", memory),
            Reading("process", "job", "MemoryUsedPercent", 100 * memory / self._memory_bytes),
            Reading("process", "job", "CPUUtilization", job),
            Reading("process", "others", "CPUUtilization", others),
            Reading("process", "job", "CPUWaitPercentage", 100 * _sum(grown, "waiting_s") / elapsed),
            Reading("process", "job", "VoluntarySwitchesPerSecond", _sum(grown, "voluntary") / elapsed),
            Reading("process", "job", "InvoluntarySwitchesPerSecond", _sum(grown, "involuntary") / elapsed),
        ]
        if trainer := grown.get(self._trainer):
            readings += [
                Reading("process", "trainer", "CPUUtilization", 100 * trainer.main_cpu_s / elapsed),
                Reading("process", "trainer", "CPUWaitPercentage", 100 * trainer.main_waiting_s / elapsed),
                Reading("process", "trainer", "ThreadsCPUWaitPercentage", 100 * trainer.waiting_s / elapsed),
            ]
        readings += self._readers(grown, elapsed)
        self._states = []
        if self._count % (SAMPLES_PER_READING * _READINGS_PER_LIST_OF_PROGRAMS) == 0:
            readings += self._busiest(others, set(now.processes))
        return readings

    def _readers(self, grown: dict[int, _Use], elapsed: float) -> list[Reading]:
        """Read the processes below the trainer that did something, else the trainer, which then reads itself."""
        below = set(descendants(self._trainer))
        readers = [use for pid, use in grown.items() if pid in below and (use.cpu_s or use.waits_for_disk)]
        if not readers:
            names = {"DiskWaitPercentage": "D", "SleepPercentage": "S"}
            count = max(1, len(self._states))
            return [
                Reading("process", "trainer", dimension, 100 * self._states.count(state) / count)
                for dimension, state in names.items()
            ]
        count = len(readers)
        return [
            Reading("process", "readers", "CPUUtilization", 100 * sum(use.cpu_s for use in readers) / elapsed / count),
            Reading(
                "process", "readers", "CPUWaitPercentage", 100 * sum(use.waiting_s for use in readers) / elapsed / count
            ),
            Reading(
                "process", "readers", "DiskWaitPercentage", 100 * sum(use.waits_for_disk for use in readers) / count
            ),
        ]

    def _busiest(self, others: float, job: set[int]) -> Iterator[Reading]:
        """Name the other programs that use most of the CPUs; in a container, only those of its own can be seen."""
        (then, before), now = self._programs, (time.monotonic(), _programs())
        self._programs = now
        if others < _BUSY_PROGRAM_PERCENT:
            return
        used: defaultdict[str, float] = defaultdict(float)
        for pid, (name, cpu_s) in now[1].items():
            if pid in before and pid not in job:
                used[name] += 100 * (cpu_s - before[pid][1]) / max(now[0] - then, 1e-3)
        for name in sorted(used, key=lambda name: -used[name])[:_MOST_PROGRAMS]:
            if used[name] >= _BUSY_PROGRAM_PERCENT:
                yield Reading("process", f"program {name}", "CPUUtilization", used[name])

    def _look(self) -> _Moment:
        moment = _Moment(at=time.monotonic(), machine_cpu_s=machine_seconds()[0])
        for pid in {self._root, *descendants(self._root)}:
            if use := _use(pid):
                moment.processes[pid] = use
        return moment


def _sum(grown: dict[int, _Use], what: str) -> float:
    return float(sum(getattr(use, what) for use in grown.values()))


def _growth(before: _Use, now: _Use) -> _Use:
    # Threads end, and what they had waited is gone with them.
    return _Use(
        cpu_s=max(0.0, now.cpu_s - before.cpu_s),
        waiting_s=max(0.0, now.waiting_s - before.waiting_s),
        main_cpu_s=max(0.0, now.main_cpu_s - before.main_cpu_s),
        main_waiting_s=max(0.0, now.main_waiting_s - before.main_waiting_s),
        voluntary=max(0, now.voluntary - before.voluntary),
        involuntary=max(0, now.involuntary - before.involuntary),
        waits_for_disk=now.waits_for_disk,
        memory_bytes=now.memory_bytes,
    )


def _use(pid: int) -> _Use | None:
    """Read a process; None if it is gone."""
    stat = _stat(Path(f"/proc/{pid}"))
    if stat is None:
        return None
    use = _Use(
        cpu_s=_cpu_seconds(stat[1]), waits_for_disk=stat[1][0] == "D", memory_bytes=int(stat[1][21]) * _PAGE_BYTES
    )
    for task in Path(f"/proc/{pid}/task").glob("*"):
        try:
            run, waited, _ = (int(number) for number in (task / "schedstat").read_text().split())
            status = (task / "status").read_text()
        except (OSError, ValueError):  # the thread is gone, or the kernel does not count
            continue
        use.waiting_s += waited / 1e9
        use.voluntary += _field(status, "voluntary_ctxt_switches:")
        use.involuntary += _field(status, "nonvoluntary_ctxt_switches:")
        if task.name == str(pid):
            use.main_cpu_s, use.main_waiting_s = run / 1e9, waited / 1e9
    return use


def _programs() -> dict[int, tuple[str, float]]:
    """Read the name and the CPU time of every process that can be seen."""
    found = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit() and (stat := _stat(Path(entry.path))):
            found[int(entry.name)] = (stat[0], _cpu_seconds(stat[1]))
    return found


def _stat(process: Path) -> tuple[str, list[str]] | None:
    """Read a process's name, and the fields of /proc/PID/stat from the state on."""
    try:
        text = (process / "stat").read_text()
    except OSError:
        return None
    name, _, fields = text.partition("(")[2].rpartition(")")
    return name, fields.split()


def _cpu_seconds(fields: list[str]) -> float:
    return (int(fields[11]) + int(fields[12])) * _TICK_S


def _field(status: str, name: str) -> int:
    _, found, rest = status.partition(f"\n{name}")
    return int(rest.split(maxsplit=1)[0]) if found else 0
