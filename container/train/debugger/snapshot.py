"""Copies of tensors at one moment, taken without waiting for the device."""

from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.utils.weak import WeakIdKeyDictionary

from container.train.debugger.reductions import reduce


@dataclass(kw_only=True)
class Snapshot:
    """A tensor to be written."""

    name: str
    shape: tuple[int, ...]
    save_shape: bool
    whole: torch.Tensor | None
    """The tensor's copy in host memory; None if only reductions are saved and they are already computed."""
    save_whole: bool
    reductions: list[tuple[str, bool]]
    reduced: torch.Tensor | None = None
    """The reductions as computed on the device: float (reductions,)."""
    histogram: bool = False
    pool: "Pool | None" = None
    """The pool that `whole` came from and returns to."""
    shared: bool = False
    """Whether an earlier snapshot of the step has the same `whole`."""

    @property
    def bytes(self) -> int:
        return self.whole.nbytes if self.whole is not None and not self.shared else 0


@dataclass(kw_only=True)
class StepSnapshots:
    """The snapshots of one step."""

    step: int
    mode: Any
    mode_step: int
    tensors: list[Snapshot] = field(default_factory=list)
    copied: dict[torch.device, torch.cuda.Event] = field(default_factory=dict)
    """The event of each GPU that completes once all copies from it have arrived."""
    copies: WeakIdKeyDictionary = field(default_factory=WeakIdKeyDictionary)
    """Copies of CPU tensors, each with the tensor's version when it was copied."""

    @property
    def bytes(self) -> int:
        """Bytes in memory."""
        return sum(tensor.bytes for tensor in self.tensors)

    @property
    def bytes_to_write(self) -> int:
        """Bytes of the tensors that are saved whole."""
        return sum(one.whole.nbytes for one in self.tensors if one.save_whole and one.whole is not None)

    def release(self) -> None:
        """Return the memory to its pool, once the step is written."""
        for tensor in self.tensors:
            if tensor.pool is not None and tensor.whole is not None:
                tensor.pool.give(tensor.whole)
                tensor.whole = None


class Pool:
    """A pool of host memory, since new pages cost as much as the copying. The writing thread returns it."""

    def __init__(self) -> None:
        self._free: defaultdict[tuple[torch.Size, torch.dtype], deque[torch.Tensor]] = defaultdict(deque)

    def copy(self, value: torch.Tensor) -> torch.Tensor:
        """Make a contiguous copy on the CPU."""
        try:
            copy = self._free[value.shape, value.dtype].popleft()
        except IndexError:
            with torch.inference_mode(False):  # else evaluation would make tensors that training cannot write to
                copy = torch.empty(value.shape, dtype=value.dtype)
        return copy.copy_(value)

    def give(self, copy: torch.Tensor) -> None:
        """Take back what `copy` returned."""
        self._free[copy.shape, copy.dtype].append(copy)


class Camera:
    """Takes snapshots. Those of GPU tensors are copied to the host on a stream of their own: the next kernels may
    overwrite the original, never the copy.

    Args:
        board: Whether values are written for TensorBoard too, which needs whole tensors for its histograms.
    """

    def __init__(self, *, board: bool) -> None:
        self._board = board
        self._streams: dict[torch.device, torch.cuda.Stream] = {}
        self._pool = Pool()

    def take(self, value: torch.Tensor, factor: torch.Tensor | None, wanted: Snapshot, into: StepSnapshots) -> None:
        """Take a snapshot of a tensor.

        Args:
            value: The tensor, on any device and of any type.
            factor: Multiplied with it; or None.
            wanted: What to save of it; the values are filled in.
            into: The step's snapshots.
        """
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
            if wanted.save_whole or (self._board and (wanted.histogram or value.numel() == 1)):
                copy = value.clone(memory_format=torch.contiguous_format)
                wanted.whole = self._fetch(copy, into)
        into.tensors.append(wanted)

    def _copy(self, original: torch.Tensor, value: torch.Tensor, wanted: Snapshot, into: StepSnapshots) -> None:
        # One module's output is the next one's input. Its version tells, as it tells autograd, whether it has changed.
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
        into.copied[value.device] = event  # the copies share one stream: the last event is reached last
        return host
