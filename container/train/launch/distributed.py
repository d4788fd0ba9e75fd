"""The processes of one job, and their communication.

A job of one process has a World too, which sends nothing: the training code is the same for both.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from container.train.launch.cause import PEER_ENDED
from container.train.launch.hosts import Rank
from container.train.launch.stopping import Interrupted, Stop

T = TypeVar("T")

# How long a process waits for another one's message.
TIMEOUT = timedelta(minutes=10)


class World:
    """All processes of a job, as seen by one of them. All of them call every method, in the same order."""

    def __init__(self, place: Rank) -> None:
        self.rank, self.size = place.rank, place.size
        self.local_rank, self.local_size = place.local_rank, place.local_size
        self._asked: tuple[torch.Tensor, torch.distributed.Work] | None = None

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes the job's outputs."""
        return self.rank == 0

    def check(self, stop: Stop, wish: int = 0) -> int:
        """Raise Interrupted in all processes after the same step if any was asked to end.

        The flags are exchanged while the next step runs, which costs it no time, so that step is the last.

        Args:
            stop: Whether this process was.
            wish: A flag of the first process, or several in one number, for all.

        Returns:
            What the first process wishes; with several processes, that of one step ago.
        """
        if self.size == 1:
            stop.check()
            return wish
        earlier, asked = self._asked, torch.tensor([int(stop.requested), wish if self.is_first else 0])
        work = torch.distributed.all_reduce(asked, async_op=True)
        self._asked = (asked, work)
        if not earlier:
            return 0
        earlier[1].wait()
        if earlier[0][0]:
            self._asked = None
            work.wait()
            raise Interrupted
        return int(earlier[0][1])

    def any(self, flag: bool) -> bool:
        """Whether the flag is true in any process."""
        return bool(self.sum(torch.tensor(int(flag))))

    def sum(self, tensor: torch.Tensor) -> torch.Tensor:
        """Sum a tensor on the CPU over all processes, in place."""
        if self.size > 1:
            torch.distributed.all_reduce(tensor)
        return tensor

    def share(self, value: T, source: int = 0) -> T:
        """Broadcast one process's value to all: tensors and plain values; receiving it executes nothing.

        Args:
            value: Only the source's is sent.
            source: The rank of the process that sends.
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
        """Gather the values of all processes, by rank."""
        return [self.share(value, source) for source in range(self.size)]

    def parallel(self, model: nn.Module) -> nn.Module:
        """Wrap the model for training: it takes the first process's tensors, and `backward` averages all processes'
        gradients. Call it again when other parameters are to be trained."""
        return model if self.size == 1 else DistributedDataParallel(model)

    def equalize_buffers(self, model: nn.Module) -> None:
        """Give all processes the batch statistics of the first, which are the ones it saves."""
        if self.size > 1:
            for buffer in model.buffers():
                torch.distributed.broadcast(buffer, 0)


@contextmanager
def joined(place: Rank | None, *, on_gpu: bool) -> Iterator[World]:
    """Join the process group of the job that torchrun started; a single process has none to join.

    Args:
        place: This process's rank; None for a single process.
        on_gpu: Whether to train on the GPU of its local rank.
    """
    if place is None:
        yield World(Rank())
        return
    if on_gpu:
        torch.cuda.set_device(place.local_rank)
    torch.distributed.init_process_group("cpu:gloo,cuda:nccl" if on_gpu else "gloo", timeout=TIMEOUT)
    yield World(place)
    # Not after an exception: it would wait for the others.
    torch.distributed.destroy_process_group()


def is_lost_peer(error: BaseException) -> bool:
    """Whether this error only means that another process died; the cause is there."""
    if isinstance(error, torch.distributed.DistError):
        return True
    return isinstance(error, RuntimeError) and PEER_ENDED.search(str(error)) is not None
