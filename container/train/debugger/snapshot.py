"""Tensors as they were at one moment, taken without waiting for the device."""

from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.utils.weak import WeakIdKeyDictionary

from container.train.debugger.reductions import reduce


@dataclass(kw_only=True)
class Snapshot:
    """One tensor to be written."""

    name: str
    shape: tuple[int, ...]
    save_shape: bool
    whole: torch.Tensor | None
    """In memory of its own; None where only reductions are saved and they are there already."""
    save_whole: bool
    reductions: list[tuple[str, bool]]
    reduced: torch.Tensor | None = None
    """float (reductions,), computed on the device."""
    histogram: bool = False
    pool: "Pool | None" = None
    """Where `whole` came from, and goes back to."""
    shared: bool = False
    """Whether `whole` is an earlier snapshot's of the step too."""

    @property
    def bytes(self) -> int:
        return self.whole.nbytes if self.whole is not None and not self.shared else 0


@dataclass(kw_only=True)
class StepSnapshots:
    """What one step saves."""

    step: int
    mode: Any
    mode_step: int
    tensors: list[Snapshot] = field(default_factory=list)
    copied: list[torch.cuda.Event] = field(default_factory=list)
    """Reached when what was copied off GPUs has come."""
    copies: WeakIdKeyDictionary = field(default_factory=WeakIdKeyDictionary)
    """By tensor on the CPU: its version when it was copied, and the copy."""

    @property
    def bytes(self) -> int:
        """In memory."""
        return sum(tensor.bytes for tensor in self.tensors)

    @property
    def bytes_to_write(self) -> int:
        """Of whole tensors."""
        return sum(one.whole.nbytes for one in self.tensors if one.save_whole and one.whole is not None)

    def release(self) -> None:
        """It is written: give the memory to the steps to come."""
        for tensor in self.tensors:
            if tensor.pool is not None and tensor.whole is not None:
                tensor.pool.give(tensor.whole)
                tensor.whole = None


class Pool:
    """Memory that is used again: new pages cost as much as the copying. Given back by another thread."""

    def __init__(self) -> None:
        self._free: defaultdict[tuple[torch.Size, torch.dtype], deque[torch.Tensor]] = defaultdict(deque)

    def copy(self, value: torch.Tensor) -> torch.Tensor:
        """A contiguous copy on the CPU."""
        try:
            copy = self._free[value.shape, value.dtype].popleft()
        except IndexError:
            with torch.inference_mode(False):  # an evaluation's could not be written to in training
                copy = torch.empty(value.shape, dtype=value.dtype)
        return copy.copy_(value)

    def give(self, copy: torch.Tensor) -> None:
        """Take back what `copy` returned."""
        self._free[copy.shape, copy.dtype].append(copy)


class Camera:
    """Takes snapshots. From a GPU they travel on a stream of their own: the next kernels overwrite the original, never
    the copy."""

    def __init__(self) -> None:
        self._streams: dict[torch.device, torch.cuda.Stream] = {}
        self._pool = Pool()

    def take(self, value: torch.Tensor, factor: torch.Tensor | None, wanted: Snapshot, into: StepSnapshots) -> None:
        """Args: value: of any device and type; factor: what it is multiplied with, or None; wanted: completed here;
        into: the step's."""
        original, value = value, value.detach()
        if value.layout != torch.strided:
            value = value.to_dense()
        if value.dtype is torch.bfloat16:  # numpy has none
            value = value.float()
        if factor is not None:
            value = value * factor
        if not value.is_cuda:
            if factor is None and value.device.type == "cpu":
                self._copy(original, value, wanted, into)
            else:
                wanted.whole = value.to("cpu", memory_format=torch.contiguous_format, copy=factor is None)
        else:
            if wanted.reductions:
                wanted.reduced = self._fetch(torch.stack([reduce(value, *one) for one in wanted.reductions]), into)
            if wanted.save_whole:
                copy = value.clone(memory_format=torch.contiguous_format)
                wanted.whole = self._fetch(copy, into)
        into.tensors.append(wanted)

    def _copy(self, original: torch.Tensor, value: torch.Tensor, wanted: Snapshot, into: StepSnapshots) -> None:
        # What one module puts out, the next one takes in. Versions tell, as they tell autograd, whether it has changed.
        version = None if original.is_inference() else original._version
        if version is not None and original in into.copies:
            earlier, copy = into.copies[original]
            if earlier == version:
                wanted.whole, wanted.shared = copy, True
                return
        wanted.whole, wanted.pool = self._pool.copy(value), self._pool
        into.copies[original] = version, wanted.whole

    def _fetch(self, value: torch.Tensor, into: StepSnapshots) -> torch.Tensor:
        stream = self._streams.setdefault(value.device, torch.cuda.Stream(value.device))  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream(value.device))
        with torch.cuda.stream(stream):
            host = torch.empty(value.shape, dtype=value.dtype, pin_memory=True)
            host.copy_(value, non_blocking=True)
            value.record_stream(stream)
            event = torch.cuda.Event()  # type: ignore[no-untyped-call]
            event.record(stream)
        into.copied = [*into.copied[-7:], event]
        return host
