"""The processes of one job, and what they tell each other.

A job of one process has a World too, in which nothing is sent: the code that trains is the same for both.
"""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from container.train.hosts import Rank
from container.train.stopping import Interrupted, Stop

T = TypeVar("T")

# How long a process waits for what another one sends.
TIMEOUT = timedelta(minutes=10)

_PEER = re.compile(r"gloo|NCCL|Connection (closed|reset)|Broken pipe", re.IGNORECASE)


class World:
    """All processes of a job, as one of them sees them. Every method is called by all of them, in the same order."""

    def __init__(self, place: Rank) -> None:
        self.rank, self.size = place.rank, place.size
        self.local_rank, self.local_size = place.local_rank, place.local_size
        self._asked: tuple[torch.Tensor, torch.distributed.Work] | None = None

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes what the job leaves."""
        return self.rank == 0

    def check(self, stop: Stop, wish: bool = False) -> bool:
        """Raise Interrupted in all processes after the same step if any was asked to end.

        They tell each other while the next step runs, which costs it no time, so it is the last.

        Args:
            stop: Whether this process was.
            wish: Something that the first process may want all to do.

        Returns:
            Whether it wants that; by now, or one step ago where there are several.
        """
        if self.size == 1:
            stop.check()
            return wish
        earlier, asked = self._asked, torch.tensor([int(stop.requested), int(wish and self.is_first)])
        work = torch.distributed.all_reduce(asked, async_op=True)
        self._asked = (asked, work)
        if not earlier:
            return False
        earlier[1].wait()
        if earlier[0][0]:
            self._asked = None
            work.wait()
            raise Interrupted
        return bool(earlier[0][1])

    def any(self, flag: bool) -> bool:
        """Whether the flag is true in any process."""
        return bool(self.sum(torch.tensor(int(flag))))

    def sum(self, tensor: torch.Tensor) -> torch.Tensor:
        """The sum over all processes of a tensor on the CPU."""
        if self.size > 1:
            torch.distributed.all_reduce(tensor)
        return tensor

    def share(self, value: T, source: int = 0) -> T:
        """One process's value, in all of them: tensors and plain values; nothing in it is executed.

        Args:
            value: Only what the source gives is sent.
            source: The rank of the process that gives it.
        """
        if self.size == 1:
            return value
        buffer = io.BytesIO()
        if self.rank == source:
            torch.save(value, buffer)
        length = torch.tensor(buffer.tell())
        torch.distributed.broadcast(length, source)
        content = torch.empty(int(length), dtype=torch.uint8)
        if self.rank == source:
            content = torch.frombuffer(buffer.getbuffer(), dtype=torch.uint8)
        torch.distributed.broadcast(content, source)
        if self.rank == source:
            return value
        received: T = torch.load(io.BytesIO(content.numpy().tobytes()), map_location="cpu", weights_only=True)
        return received

    def gather(self, value: T) -> list[T]:
        """The values of all processes, by rank."""
        return [self.share(value, source) for source in range(self.size)]

    def parallel(self, model: nn.Module) -> nn.Module:
        """The network to train with: its tensors become the first process's, and `backward` leaves the mean of all
        processes' gradients. To be called anew when other parameters are to learn."""
        return model if self.size == 1 else DistributedDataParallel(model)

    def equalize_buffers(self, model: nn.Module) -> None:
        """Give all processes the batch statistics of the first, which are those that it writes."""
        if self.size > 1:
            for buffer in model.buffers():
                torch.distributed.broadcast(buffer, 0)


@contextmanager
def joined(place: Rank | None, *, on_gpu: bool) -> Iterator[World]:
    """Join the processes of the job that torchrun started; the only one has none to join.

    Args:
        place: This process's; None where it is alone.
        on_gpu: Whether to train on the GPU of its local rank.
    """
    if place is None:
        yield World(Rank())
        return
    if on_gpu:
        torch.cuda.set_device(place.local_rank)
    torch.distributed.init_process_group("cpu:gloo,cuda:nccl" if on_gpu else "gloo", timeout=TIMEOUT)
    yield World(place)
    # Not where an exception came: it would wait for the others.
    torch.distributed.destroy_process_group()


def is_lost_peer(error: BaseException) -> bool:
    """Whether this is what a process sees of another one's end, whose cause is elsewhere."""
    if isinstance(error, torch.distributed.DistError):
        return True
    return isinstance(error, RuntimeError) and _PEER.search(str(error)) is not None
