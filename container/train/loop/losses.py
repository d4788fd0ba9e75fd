"""The losses of an epoch: kept on the device, and read without making training wait for it."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from container.train.device import Device
from container.train.launch.distributed import World

# Log lines per epoch; the losses between two of them are checked together.
_READ_PER_EPOCH = 10


class LossNotFinite(Exception):  # noqa: N818 - explain_divergence makes a sentence of it
    """A batch's loss is NaN or infinite."""

    def __init__(self, epoch: int, step: int, value: float) -> None:
        super().__init__(f"the training loss is {value} at step {step} of epoch {epoch}")
        self.epoch = epoch
        self.step = step
        """Number within the epoch, from 1."""
        self.value = value


@dataclass(frozen=True)
class Logged:
    """The loss of one step of an epoch."""

    step: int
    """Counted from 1."""
    loss: float
    """Mean over the batch, of all processes."""


class Losses:
    """The losses of one epoch.

    A loss to be logged is copied off the device asynchronously after its step, and read once the next step has been
    launched.

    Args:
        world: The processes of the job; all of them read at the same steps.
        device: Where the losses are.
        epoch: Counted from 1.
        done: Steps of the epoch before an interruption.
        count: Steps of the whole epoch.
    """

    def __init__(self, world: World, device: Device, *, epoch: int, done: int, count: int) -> None:
        self._world = world
        self._epoch = epoch
        self._on_gpu = device.is_cuda
        self._count = count
        self._interval = max(1, count // _READ_PER_EPOCH)
        self._step = done
        self._kept: list[torch.Tensor] = []
        self._copied: tuple[int, torch.Tensor, torch.cuda.Event | None] | None = None

    def add(self, loss: torch.Tensor) -> Iterator[Logged]:
        """Add a step's loss; yields what can be read by now.

        Args:
            loss: A scalar on the device; its mean over the processes is the loss of the whole batch.

        Raises:
            LossNotFinite: The loss of an earlier step is not finite, or, at the end of the epoch, that of this one.
        """
        yield from self.read()
        self._kept.append(loss.detach())
        number, self._step = self._step, self._step + 1
        if number % self._interval == 0 or self._step == self._count:
            self._copy()
        if self._step == self._count:
            yield from self.read()

    def _copy(self) -> None:
        values = torch.stack(self._kept).double()
        first = self._step - len(self._kept) + 1
        self._kept = []
        if not self._on_gpu:
            self._copied = (first, values, None)
            return
        host = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
        host.copy_(values, non_blocking=True)
        event = torch.cuda.Event()  # type: ignore[no-untyped-call]
        event.record()
        self._copied = (first, host, event)

    def read(self) -> Iterator[Logged]:
        """Yield what is left to be logged; waits for the device. All processes call this after the same step."""
        if self._copied is None:
            return
        first, values, event = self._copied
        self._copied = None
        if event is not None:
            event.synchronize()
        means = (self._world.sum(values) / self._world.size).tolist()
        for step, value in enumerate(means, start=first):
            if not math.isfinite(value):
                raise LossNotFinite(self._epoch, step, value)
        yield Logged(first + len(means) - 1, means[-1])
