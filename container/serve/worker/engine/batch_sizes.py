"""Sizes of batches for which an engine prepares when it is loaded: others are padded to the next one."""

from collections.abc import Callable, Sequence

import numpy as np

from container.serve.worker.engine.engine import Logits, Pixels


def batch_sizes(most: int) -> list[int]:
    """List the powers of two below `most`, and `most`, in ascending order."""
    return sorted({*(1 << power for power in range(most.bit_length())), most})


def in_padded_batches(
    run: Callable[[Sequence[Pixels], int], Logits], squares: Sequence[Pixels], sizes: Sequence[int]
) -> Logits:
    """Run a network on any number of pictures.

    Args:
        run: Called with at most as many pictures as the largest size, and the size to pad them to; returns the logits
            of the pictures alone.
        squares: As for `Engine.logits`.
        sizes: `batch_sizes`.
    """
    parts = [squares[start : start + sizes[-1]] for start in range(0, len(squares), sizes[-1])]
    return np.concatenate([run(part, next(size for size in sizes if size >= len(part))) for part in parts])
