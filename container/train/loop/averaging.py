"""The exponential moving average of a model's weights."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

# The window grows with the number of steps to this power, so that short jobs are averaged too, as in timm's
# ModelEmaV3.
_WARMUP_POWER = 2 / 3


class AveragedWeights:
    """The average of a model's parameters and buffers over the steps; without a decay, the model's own.

    Args:
        model: On its device.
        decay: The share of the earlier average that a step keeps, fewer at first; 0 averages nothing.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self._decay = decay
        self._steps = 0
        tensors = model.state_dict() if decay else {}
        self._names = list(tensors)
        self._live = list(tensors.values())
        self._averages = [tensor.clone() for tensor in self._live]
        pairs = list(zip(self._averages, self._live, strict=True))
        self._floats = [pair for pair in pairs if pair[0].is_floating_point()]
        self._counts = [pair for pair in pairs if not pair[0].is_floating_point()]

    @torch.no_grad()
    def update(self) -> None:
        """Take the model's weights into the average, after a step."""
        if not self._decay:
            return
        decay = min(self._decay, 1 - (1 + self._steps) ** -_WARMUP_POWER)
        self._steps += 1
        averages, live = zip(*self._floats, strict=True)
        torch._foreach_lerp_(averages, live, 1 - decay)
        for average, count in self._counts:
            average.copy_(count)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Give the model the averaged weights within the context, and its own afterwards."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        for average, live in zip(self._averages, self._live, strict=True):
            kept = live.clone()
            live.copy_(average)
            average.copy_(kept)

    def state_dict(self) -> dict[str, Any]:
        """Return the averages and the number of steps, for a checkpoint; empty without a decay."""
        if not self._decay:
            return {}
        return {"steps": self._steps, "tensors": dict(zip(self._names, self._averages, strict=True))}

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._steps = state["steps"]
        for name, average in zip(self._names, self._averages, strict=True):
            average.copy_(state["tensors"][name])
