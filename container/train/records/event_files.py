"""TensorBoard event files, for jobs with a TensorBoard output configuration."""

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from container.best_effort import BestEffort
from container.contract.paths import MlPaths

logger = logging.getLogger(__name__)

# The default of LocalPath. Source: TensorBoardOutputConfig in the SageMaker API reference.
_DEFAULT = "tensorboard"


def find_event_directory(paths: MlPaths) -> Path | None:
    """Find the directory for event files; None if the job has no TensorBoard output configuration."""
    file = paths.config / "tensorboardoutputconfig.json"
    try:
        fields = json.loads(file.read_text(encoding="utf-8"))
        return Path(fields.get("LocalPath") or paths.base / "output" / _DEFAULT)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, AttributeError, TypeError) as error:
        logger.warning("%s cannot be read, training goes on without event files: %s", file, error)
        return None


class TensorBoardLog:
    """Writes losses by step; evaluation, learning rate and test by epoch. A failed write is a warning, once."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._attempt = BestEffort(
            f"event files cannot be written to {directory}; training goes on without them", OSError, ImportError
        )
        self.epochs = 0
        """Number of epochs written."""
        self._attempt(self._open)

    def after_step(self, step: int, loss: float | None) -> None:
        if loss is not None:
            self._write({"loss/train": loss}, step)

    def after_epoch(self, history: Sequence[Mapping[str, Any]]) -> None:
        # After an interruption the earlier epochs are written again: their files may not have been restored.
        for record in history[self.epochs :]:
            values = {
                "loss/evaluation": record["eval_loss"],
                "accuracy/evaluation": record["eval_accuracy"],
                "learning_rate": record["learning_rate"],
            }
            self._write(values, record["epoch"])
        self.epochs = len(history)
        self._attempt(lambda: self.writer.flush())

    def close(self, test: Mapping[str, Any]) -> None:
        if test:
            self._write({"loss/test": test["test_loss"], "accuracy/test": test["test_accuracy"]}, test["best_epoch"])
        self._attempt(lambda: self.writer.close())

    def _open(self) -> None:
        from torch.utils.tensorboard import SummaryWriter  # takes over a second, and few jobs want it

        self.writer: Any = SummaryWriter(str(self.directory))
        logger.info("TensorBoard's event files are in %s", self.directory)

    def _write(self, values: Mapping[str, float], step: int) -> None:
        def write() -> None:
            for name, value in values.items():
                self.writer.add_scalar(name, value, step)

        self._attempt(write)
