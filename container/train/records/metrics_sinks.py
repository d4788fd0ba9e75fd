"""Where metrics go while a job trains: the metrics file, Weights & Biases, TensorBoard."""

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from container.contract.hyperparameters import TrainConfig
from container.contract.paths import MlPaths
from container.train.records.event_files import TensorBoardLog, find_event_directory
from container.train.records.outputs import write_metrics
from container.train.records.saving import saving

logger = logging.getLogger(__name__)

Record = Mapping[str, Any]


class MetricsSink(Protocol):
    """Receives the metrics of every step and epoch; never changes what is learnt."""

    def after_step(self, step: int, loss: float | None) -> None:
        """Receive a step, counted over the whole job, and the batch's mean loss if it is logged."""

    def after_epoch(self, history: Sequence[Record]) -> None:
        """Receive the records of all finished epochs, the newest last."""

    def close(self, test: Record) -> None:
        """Finish with the test's record, which is empty if the job ended before the test."""


class MetricsFile:
    """Writes metrics.jsonl, all of it after each epoch, so that an interrupted job leaves a complete one."""

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
    """Logs to Weights & Biases, under the seed project's metric names."""

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


def start_sinks(config: TrainConfig, paths: MlPaths, job_name: str) -> list[MetricsSink]:
    """Start the sinks that the hyperparameters and the job's configuration ask for. Weights & Biases or TensorBoard
    failing to start is a warning: training goes on."""
    sinks: list[MetricsSink] = [MetricsFile(paths.output_data)]
    if directory := find_event_directory(paths):
        sinks.append(TensorBoardLog(directory))
    if config.wandb:
        run = _start_wandb(config, paths.output_data, job_name)
        sinks += [WandbLog(run)] if run else []
    return sinks


def _start_wandb(config: TrainConfig, directory: Path, job_name: str) -> Any:
    import wandb  # slow to import, and few jobs want it

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
