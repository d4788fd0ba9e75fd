"""Builds networks whose parameters are about to be loaded, without drawing random ones."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode


class _NoRandomNumbers(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Leaves out every operation that draws random numbers, in this thread: what it would fill is arbitrary."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if torch.Tag.nondeterministic_seeded not in func.tags:
            return func(*args, **(kwargs or {}))
        if isinstance(args[0], torch.Tensor):
            return args[0]
        known = {name: value for name, value in (kwargs or {}).items() if name in ("dtype", "device")}
        return torch.zeros(args[0], **known)


@contextmanager
def without_random_numbers() -> Iterator[None]:
    """Build networks faster, and leave the program's random numbers alone, which another thread may be using.

    The meta device would do the same, but buffers that are computed and not saved, such as Swin's indices and the
    angles of rotary embeddings, would be lost.
    """
    with _NoRandomNumbers():  # type: ignore[no-untyped-call]
        yield
