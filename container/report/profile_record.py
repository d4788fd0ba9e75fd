"""A job's profile: the profiler's records as columns of numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Column = npt.NDArray[np.float64]

OTHER = "other"
"""What is left of a step beside `PHASES`."""

_FEW_STEPS = 10


@dataclass(frozen=True, kw_only=True, eq=False)
class Steps:
    """The optimizer steps of one process, in order."""

    rank: int
    step: Column
    """From 1, over all epochs."""
    epoch: Column
    """From 1; all 1 if unknown."""
    start: Column
    """Epoch seconds."""
    wall: Column
    """Seconds."""
    pictures: Column
    """Number in this process's batch; all 0 if unknown."""
    phases: Mapping[str, Column] = field(default_factory=dict)
    """Seconds by the names in `PHASES` and `OTHER`; empty if only whole steps were recorded."""

    def __len__(self) -> int:
        return len(self.step)

    @property
    def total_s(self) -> float:
        return float(self.wall.sum())

    @property
    def end(self) -> float:
        """Epoch seconds."""
        return float((self.start + self.wall).max())

    def phase(self, name: str) -> Column:
        """Get the seconds of one phase in each step."""
        return self.phases.get(name, np.zeros_like(self.wall))

    def share(self, *names: str) -> float:
        """Compute the share of some phases in the time of all steps, from 0 to 1."""
        spent = sum(float(self.phase(name).sum()) for name in names)
        return spent / self.total_s if self.total_s > 0 else 0.0

    @property
    def first_of_epoch(self) -> npt.NDArray[np.bool_]:
        """Which steps are the first of their epoch: those wait for the DataLoader workers to start."""
        return np.concatenate([[True], np.diff(self.epoch) != 0]) if len(self) else np.zeros(0, dtype=bool)

    @property
    def usual(self) -> "Steps":
        """All but the first step of each epoch; all steps if too few would remain."""
        chosen = ~self.first_of_epoch
        if chosen.sum() < _FEW_STEPS:
            return self
        return Steps(
            rank=self.rank,
            step=self.step[chosen],
            epoch=self.epoch[chosen],
            start=self.start[chosen],
            wall=self.wall[chosen],
            pictures=self.pictures[chosen],
            phases={name: seconds[chosen] for name, seconds in self.phases.items()},
        )


@dataclass(frozen=True, kw_only=True)
class Span:
    """A phase of the job outside the steps."""

    name: str
    epoch: int | None
    start: float
    """Epoch seconds."""
    seconds: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Series:
    """Samples of one system metric."""

    kind: str
    """cpu, gpu, memory, i/o or network."""
    name: str
    """Such as cpu0 or MemoryUsedPercent."""
    dimension: str
    node: str
    times: Column
    """Epoch seconds, ascending."""
    values: Column

    def between(self, start: float, end: float) -> "Series":
        """Select the samples from `start` to `end`."""
        chosen = (self.times >= start) & (self.times <= end)
        return Series(
            kind=self.kind,
            name=self.name,
            dimension=self.dimension,
            node=self.node,
            times=self.times[chosen],
            values=self.values[chosen],
        )

    def __len__(self) -> int:
        return len(self.times)


@dataclass(frozen=True, kw_only=True)
class Operators:
    """torch.profiler's tables for a window of steps."""

    first_step: int
    steps: int
    device: str
    operators: Sequence[Mapping[str, Any]]
    kernels: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Process:
    """One process of the job."""

    rank: int
    node: str
    local_rank: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Profile:
    """All of a job's profile; SageMaker's profiler records system metrics only, and perhaps whole steps."""

    job: str
    started: float
    """Epoch seconds, as the next two."""
    training_started: float
    ended: float
    own: bool
    """Whether our profiler wrote it; SageMaker's records neither settings nor phases."""
    device: str | None = None
    """cpu or cuda; None: unknown."""
    device_name: str = ""
    gpus: Sequence[Mapping[str, Any]] = ()
    precision: str = ""
    cpus: int = 0
    """CPUs of a process; 0: unknown."""
    workers: int = 0
    """DataLoader workers of a process."""
    batch_size: int = 0
    """Pictures in a batch of all processes together; 0: unknown."""
    pictures: Mapping[str, int] = field(default_factory=dict)
    step_seconds: Mapping[int, float] = field(default_factory=dict)
    """Seconds of a step by the pictures of one process in it, timed before training: of the batch and of twice as
    many; empty: not timed."""
    settings: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    peak_gpu_memory_bytes: Sequence[int] = ()
    processes: Sequence[Process] = ()
    steps: Sequence[Steps] = ()
    """Steps of each process that recorded any, by rank."""
    spans: Sequence[Span] = ()
    """The first process's."""
    system: Sequence[Series] = ()
    operators: Operators | None = None

    @property
    def first(self) -> Steps | None:
        """The steps of the first process."""
        return self.steps[0] if self.steps else None

    @property
    def loop_end(self) -> float:
        """End of the last epoch, in epoch seconds."""
        ends = [steps.end for steps in self.steps]
        ends += [span.start + span.seconds for span in self.spans if span.name in _EPOCH_SPANS]
        return max(ends, default=self.ended)

    @property
    def has_gpu(self) -> bool:
        return self.device == "cuda" or (self.device is None and bool(self.select("gpu")))

    def select(self, kind: str, dimension: str | None = None, name: str | None = None) -> list[Series]:
        """Select series of the system metrics, over the whole job."""
        return [
            series
            for series in self.system
            if series.kind == kind and dimension in (None, series.dimension) and name in (None, series.name)
        ]

    def in_training(self, kind: str, dimension: str | None = None, name: str | None = None) -> list[Series]:
        """Select as `select` does, from the first step to the end of the last epoch; omits empty series."""
        found = [series.between(self.training_started, self.loop_end) for series in self.select(kind, dimension, name)]
        return [series for series in found if len(series)]

    def setting(self, name: str) -> str:
        """Get a hyperparameter's value; empty if unknown."""
        return self.settings.get(name, "")


_EPOCH_SPANS = ("evaluation", "checkpoint", "model")
LOOP_SPANS = (*_EPOCH_SPANS, "profiler")
"""Phases between the steps of two epochs; the profiler's window may also be written after the last."""
