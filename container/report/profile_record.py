"""What a job's profiler recorded, as columns of numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Column = npt.NDArray[np.float64]

PHASES = ("data", "copy", "forward", "backward", "optimizer", "debugger")
"""Of a step, in the order in which they come; what is left of it is `other`."""

OTHER = "other"

_FEW_STEPS = 10


@dataclass(frozen=True, kw_only=True, eq=False)
class Steps:
    """The optimizer steps of one process, in order."""

    rank: int
    step: Column
    """From 1, over all epochs."""
    epoch: Column
    """From 1; all 1 where the record does not tell."""
    start: Column
    """Epoch seconds."""
    wall: Column
    """Seconds."""
    pictures: Column
    """Of this process; all 0 where the record does not tell."""
    phases: Mapping[str, Column] = field(default_factory=dict)
    """Seconds by the names in `PHASES` and `OTHER`; empty where only whole steps were recorded."""

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
        """Seconds of one phase in each step."""
        return self.phases.get(name, np.zeros_like(self.wall))

    def share(self, *names: str) -> float:
        """Of all steps' time, from 0 to 1."""
        spent = sum(float(self.phase(name).sum()) for name in names)
        return spent / self.total_s if self.total_s > 0 else 0.0

    @property
    def first_of_epoch(self) -> npt.NDArray[np.bool_]:
        """Which steps are the first of their epoch: they wait for the readers to start."""
        return np.concatenate([[True], np.diff(self.epoch) != 0]) if len(self) else np.zeros(0, dtype=bool)

    @property
    def usual(self) -> "Steps":
        """All but the first step of each epoch; all where too few would be left."""
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
    """Samples of one figure of the system."""

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
        """The samples of a time."""
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
    """torch.profiler's tables of some steps."""

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
    """Everything that was recorded; a directory of SageMaker's has system metrics alone, and perhaps whole steps."""

    job: str
    started: float
    """Epoch seconds, as the next two."""
    training_started: float
    ended: float
    own: bool
    """Whether our profiler wrote it; SageMaker's tells nothing of the job's settings and phases."""
    device: str | None = None
    """cpu or cuda; None: unknown."""
    device_name: str = ""
    gpus: Sequence[Mapping[str, Any]] = ()
    precision: str = ""
    cpus: int = 0
    """Of a process; 0: unknown."""
    workers: int = 0
    """Reading processes of a training process."""
    batch_size: int = 0
    """Of all processes together."""
    pictures: Mapping[str, int] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    peak_gpu_memory_bytes: Sequence[int] = ()
    processes: Sequence[Process] = ()
    steps: Sequence[Steps] = ()
    """Of each process that recorded any, by rank."""
    spans: Sequence[Span] = ()
    """Of the first process."""
    system: Sequence[Series] = ()
    operators: Operators | None = None

    @property
    def first(self) -> Steps | None:
        """The steps of the first process."""
        return self.steps[0] if self.steps else None

    @property
    def loop_end(self) -> float:
        """When the last epoch was over, in epoch seconds."""
        ends = [steps.end for steps in self.steps]
        ends += [span.start + span.seconds for span in self.spans if span.name in _EPOCH_SPANS]
        return max(ends, default=self.ended)

    @property
    def has_gpu(self) -> bool:
        return self.device == "cuda" or (self.device is None and bool(self.select("gpu")))

    def select(self, kind: str, dimension: str | None = None, name: str | None = None) -> list[Series]:
        """Series of the system metrics, whole."""
        return [
            series
            for series in self.system
            if series.kind == kind and dimension in (None, series.dimension) and name in (None, series.name)
        ]

    def in_training(self, kind: str, dimension: str | None = None, name: str | None = None) -> list[Series]:
        """As `select`, from the first step to the end of the last epoch; without empty ones."""
        found = [series.between(self.training_started, self.loop_end) for series in self.select(kind, dimension, name)]
        return [series for series in found if len(series)]

    def setting(self, name: str) -> str:
        """A hyperparameter's value; empty where the record does not tell."""
        return self.settings.get(name, "")


_EPOCH_SPANS = ("evaluation", "checkpoint", "model")
LOOP_SPANS = (*_EPOCH_SPANS, "profiler")
"""Phases between the steps of an epoch and the next; writing the profiler's window can also come after the last."""
