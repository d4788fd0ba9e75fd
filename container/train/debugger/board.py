"""The saved values as TensorBoard event files, if the configuration asks for them."""

from pathlib import Path
from typing import Any

from container.train.debugger.snapshot import StepSnapshots


class Board:
    """Scalars and histograms, by mode and step over all modes."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._writers: dict[str, Any] = {}

    def write(self, step: StepSnapshots) -> None:
        """Write a step's values; called in the writing thread."""
        mode = step.mode.name
        if mode not in self._writers:
            from torch.utils.tensorboard import SummaryWriter  # takes over a second, and few jobs want it

            self._writers[mode] = SummaryWriter(str(self._directory / mode))
        writer = self._writers[mode]
        for tensor in step.tensors:
            if tensor.whole is None:
                continue
            if tensor.whole.numel() == 1:
                writer.add_scalar(tensor.name, float(tensor.whole), step.step)
            elif tensor.histogram and bool(tensor.whole.isfinite().all()):
                writer.add_histogram(tensor.name, tensor.whole, step.step)
        writer.flush()
