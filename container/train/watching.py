"""What looks on while a job trains: the metrics file, Weights & Biases, TensorBoard."""

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from container.paths import MlPaths
from container.train.event_files import TensorBoardLog, find_event_directory
from container.train.hyperparameters import TrainConfig
from container.train.outputs import write_metrics
from container.train.saving import saving

logger = logging.getLogger(__name__)

Record = Mapping[str, Any]


class Watcher(Protocol):
    """Told of every step and epoch; never changes what is learnt."""

    def after_step(self, step: int, loss: float | None) -> None:
        """Args: step: optimizer steps since the job began, those before an interruption too; loss: the batch's mean
        loss on the steps that are logged."""

    def after_epoch(self, history: Sequence[Record]) -> None:
        """Args: history: a record for each finished epoch, the newest last."""

    def close(self, test: Record) -> None:
        """Args: test: the test's record, empty where the job ended before it."""


class MetricsFile:
    """metrics.jsonl, written anew after each epoch, so that an interrupted job leaves a whole one."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.history: Sequence[Record] = ()

    def after_step(self, step: int, loss: float | None) -> None:
        pass

    def after_epoch(self, history: Sequence[Record]) -> None:
        self.history = history
        self._write(history)

    def close(self, test: Record) -> None:
        if test:
            self._write([*self.history, test])

    def _write(self, records: Sequence[Record]) -> None:
        with saving("metrics", self.directory):
            write_metrics(self.directory, records)


class WandbLog:
    """Weights & Biases, under the seed project's metric names."""

    def __init__(self, run: Any) -> None:
        self.run = run
        self.step = 0

    def after_step(self, step: int, loss: float | None) -> None:
        self.step = step
        if loss is not None:
            self.run.log({"train_loss": loss}, step=self.step)

    def after_epoch(self, history: Sequence[Record]) -> None:
        if not history:
            return
        record = history[-1]
        self.run.log(
            {
                "eval_loss_epoch": record["eval_loss"],
                "eval_accuracy_epoch": record["eval_accuracy"],
                "learning_rate": record["learning_rate"],
            },
            step=self.step,
        )

    def close(self, test: Record) -> None:
        if test:
            self.run.summary.update({"test_loss": test["test_loss"], "test_accuracy": test["test_accuracy"]})
        self.run.finish()


def watchers_for(config: TrainConfig, paths: MlPaths, job_name: str) -> list[Watcher]:
    """What the hyperparameters and the job's configuration ask for. Weights & Biases or TensorBoard failing to start
    is a warning: training goes on."""
    watchers: list[Watcher] = [MetricsFile(paths.output_data)]
    if directory := find_event_directory(paths):
        watchers.append(TensorBoardLog(directory))
    if config.wandb:
        run = _start_wandb(config, paths.output_data, job_name)
        watchers += [WandbLog(run)] if run else []
    return watchers


def _start_wandb(config: TrainConfig, directory: Path, job_name: str) -> Any:
    import wandb  # takes over a second, and few jobs want it

    if not os.environ.get("WANDB_API_KEY"):
        os.environ.setdefault("WANDB_MODE", "offline")
    try:
        return wandb.init(
            project=os.environ.get("WANDB_PROJECT", "slipway"),
            name=job_name or None,
            config=dict(config.to_strings()),
            dir=directory,
        )
    except (wandb.errors.Error, OSError) as error:
        logger.warning("Weights & Biases could not be started, training goes on without it: %s", error)
        return None
