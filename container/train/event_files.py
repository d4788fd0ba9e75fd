"""TensorBoard's event files, for jobs that SageMaker gave a TensorBoard output configuration."""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from container.paths import MlPaths

logger = logging.getLogger(__name__)

# Where the configuration does not say. Source: TensorBoardOutputConfig in the SageMaker API reference.
_DEFAULT = "tensorboard"


def find_event_directory(paths: MlPaths) -> Path | None:
    """Where the job wants event files; None where it wants none, as a job without a configuration does."""
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
    """Losses by step; evaluation, learning rate and test by epoch. What cannot be written is a warning, once."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.writer: Any = None
        """None once it has failed."""
        self.epochs = 0
        """How many were written."""
        with self._warning():
            from torch.utils.tensorboard import SummaryWriter  # takes over a second, and few jobs want it

            self.writer = SummaryWriter(str(directory))
            logger.info("TensorBoard's event files are in %s", directory)

    def after_step(self, step: int, loss: float | None) -> None:
        if loss is not None:
            self._write({"loss/train": loss}, step)

    def after_epoch(self, history: Sequence[Mapping[str, Any]]) -> None:
        # After an interruption the earlier epochs come first; their files may not have come back.
        for record in history[self.epochs :]:
            values = {
                "loss/evaluation": record["eval_loss"],
                "accuracy/evaluation": record["eval_accuracy"],
                "learning_rate": record["learning_rate"],
            }
            self._write(values, record["epoch"])
        self.epochs = len(history)
        with self._warning():
            if self.writer:
                self.writer.flush()

    def close(self, test: Mapping[str, Any]) -> None:
        if test:
            self._write({"loss/test": test["test_loss"], "accuracy/test": test["test_accuracy"]}, test["best_epoch"])
        with self._warning():
            if self.writer:
                self.writer.close()

    def _write(self, values: Mapping[str, float], step: int) -> None:
        with self._warning():
            for name, value in values.items():
                if self.writer:
                    self.writer.add_scalar(name, value, step)

    @contextmanager
    def _warning(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ImportError) as error:
            self.writer = None
            logger.warning(
                "event files cannot be written to %s, training goes on without them: %s", self.directory, error
            )
