"""Networks under torch.compile: hooks outside of their graph, and steps that run eagerly."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn


class CallInPlace:
    """Calls a function before each call of a network compiled in place, whose own hooks would be part of its graph."""

    def __init__(self, module: nn.Module, before: Callable[[nn.Module, Any], None]) -> None:
        self._module = module
        self._compiled: Callable[..., Any] = module._compiled_call_impl  # type: ignore[assignment]
        self._call = self._wrap(before)
        module._compiled_call_impl = self._call

    def _wrap(self, before: Callable[[nn.Module, Any], None]) -> Callable[..., Any]:
        module, compiled = self._module, self._compiled

        def call(*args: Any, **kwargs: Any) -> Any:
            before(module, args)
            return compiled(*args, **kwargs)

        return call

    def remove(self) -> None:
        if self._module._compiled_call_impl is self._call:
            self._module._compiled_call_impl = self._compiled


class Eagerness:
    """Forces compiled networks to run eagerly."""

    def __init__(self) -> None:
        self._forced = False

    def force(self) -> None:
        if not self._forced:
            torch.compiler.set_stance("force_eager")
        self._forced = True

    def end(self) -> None:
        if self._forced:
            torch.compiler.set_stance("default")
        self._forced = False
