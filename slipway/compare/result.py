"""Reads a finished training job: the figures that a comparison shows, and the settings that must agree."""

import json
import re
import statistics
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO, Any

from slipway.chance import PREDICTIONS, Scored, read_predictions
from slipway.errors import ComparisonError
from slipway.processes.job import JobDirectory

CARD = "model.json"
TENSORS = "model.safetensors"
METRICS = "metrics.jsonl"

# Statistics of batch normalisation are in the file, but are not learnt.
_NOT_PARAMETERS = ("running_mean", "running_var", "num_batches_tracked")
_DEVICE = re.compile(r"\bdevice (\w+ \([^)]*\), .*?, \d+ CPUs)")


@dataclass(frozen=True, kw_only=True)
class Tensors:
    """The size of a model."""

    parameters: int
    file_bytes: int
    """Size of model.safetensors."""


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """One line of metrics.jsonl."""

    epoch: int
    train_loss: float
    eval_loss: float
    eval_accuracy: float
    """Percent."""
    train_s: float
    """Seconds of the training steps."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """One job of a comparison; accuracies are percent, losses means over pictures."""

    name: str
    job: str
    """The job's directory, or its name on SageMaker."""
    place: str
    """Device or instance type that it ran on."""
    settings: Mapping[str, str]
    """All hyperparameters, defaults included."""
    pictures: Mapping[str, int]
    """Number of pictures by split."""
    classes: tuple[str, ...]
    versions: Mapping[str, str]
    epochs: tuple[Epoch, ...]
    best_epoch: int
    """Epoch with the lowest evaluation loss, whose model was kept and tested."""
    test_accuracy: float | None
    """Percent; None if the job was stopped before its test."""
    test_loss: float | None
    tensors: Tensors
    predictions: Scored | None = None
    """Which test pictures were classified correctly, if known."""
    billable_s: float | None = None
    """On SageMaker."""

    @property
    def tested(self) -> Scored | None:
        """How many test pictures were classified correctly; None if the job was stopped before its test."""
        if self.test_accuracy is None or self.predictions:
            return self.predictions
        total = self.pictures.get("test", 0)
        return Scored(correct=round(self.test_accuracy * total / 100), total=total)

    @property
    def architecture(self) -> str:
        return self.settings["model-type"]

    @property
    def best(self) -> Epoch:
        return next(epoch for epoch in self.epochs if epoch.epoch == self.best_epoch)

    @property
    def training_s(self) -> float:
        """Seconds of a linear probe and of the training steps of all epochs, without start, evaluation and test."""
        return sum(epoch.train_s for epoch in self.epochs)

    @property
    def pictures_per_s(self) -> float:
        """Training throughput of the median epoch, so that a slow first one hardly counts. A linear probe is epoch 0,
        which counts where no other follows."""
        epochs = [epoch for epoch in self.epochs if epoch.epoch] or self.epochs
        return statistics.median(self.pictures["train"] / max(epoch.train_s, 1e-3) for epoch in epochs)


def read_result(
    *,
    job: str,
    place: str,
    card: Mapping[str, Any],
    metrics: Sequence[Mapping[str, Any]],
    tensors: Tensors,
    predictions: Scored | None = None,
    billable_s: float | None = None,
) -> Result:
    """Build a result, named by its architecture, from the files of a job.

    Args:
        job: The job's directory, or its name on SageMaker.
        place: Device or instance type.
        card: Content of model.json.
        metrics: Content of metrics.jsonl.
        tensors: From `read_tensors`.
        predictions: From `read_predictions`.
        billable_s: Seconds that SageMaker charges for.

    Raises:
        ComparisonError: The job was stopped before its first epoch, or another program wrote the files.
    """
    try:
        training = card["training"]
        test = training.get("test", {})
        epochs = tuple(
            Epoch(
                epoch=record["epoch"],
                train_loss=record["train_loss"],
                eval_loss=record["eval_loss"],
                eval_accuracy=record["eval_accuracy"],
                train_s=record["train_seconds"],
            )
            for record in metrics
            if "epoch" in record
        )
        if not epochs:
            raise ComparisonError(
                f"{job} was stopped before its first epoch had ended; there is nothing to compare yet"
            )
        return Result(
            name=card["architecture"],
            job=job,
            place=place,
            settings={**training["hyperparameters"], "model-type": card["architecture"]},
            pictures=training["pictures"],
            classes=tuple(card["classes"]),
            versions=training["versions"],
            epochs=epochs,
            best_epoch=test.get("best_epoch", training["evaluation"]["epoch"]),
            test_accuracy=test.get("test_accuracy"),
            test_loss=test.get("test_loss"),
            tensors=tensors,
            predictions=predictions,
            billable_s=billable_s,
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ComparisonError(
            f"{job} holds a model that Slipway did not train ({CARD} or {METRICS} has no {error}); compare jobs of "
            "slipway train"
        ) from error


def read_tensors(file: IO[bytes], file_bytes: int) -> Tensors:
    """Count the parameters of a safetensors file by its header alone.

    Args:
        file: The file, at its beginning.
        file_bytes: Size of the file.
    """
    (length,) = struct.unpack("<Q", file.read(8))
    header: Mapping[str, Any] = json.loads(file.read(length))
    shapes = [
        entry["shape"]
        for name, entry in header.items()
        if name != "__metadata__" and not name.endswith(_NOT_PARAMETERS)
    ]
    return Tensors(parameters=sum(prod(shape) for shape in shapes), file_bytes=file_bytes)


def parse_metrics(text: str) -> list[dict[str, Any]]:
    """Read the records of metrics.jsonl."""
    return [json.loads(line) for line in text.splitlines() if line.strip()]


def read_job(directory: Path) -> Result:
    """Read a job directory of `slipway train`.

    Raises:
        ComparisonError: There is no finished job.
    """
    job = JobDirectory(directory)
    model, metrics = job.layout.model, job.layout.output_data / METRICS
    predictions = job.layout.output_data / PREDICTIONS
    try:
        with (model / TENSORS).open("rb") as file:
            tensors = read_tensors(file, (model / TENSORS).stat().st_size)
        return read_result(
            job=str(directory),
            place=_device(job),
            card=json.loads((model / CARD).read_text(encoding="utf-8")),
            metrics=parse_metrics(metrics.read_text(encoding="utf-8")),
            tensors=tensors,
            predictions=read_predictions(predictions.read_text(encoding="utf-8")) if predictions.is_file() else None,
        )
    except OSError as error:
        raise ComparisonError(
            f"{directory} holds no finished job: {error.filename} cannot be read ({error.strerror}); name the "
            "--job-dir of a slipway train that has ended"
        ) from error
    except (ValueError, struct.error) as error:
        raise ComparisonError(f"the job in {directory} is damaged: {error}; train it again") from error


def _device(job: JobDirectory) -> str:
    """Read from the job's log which device it ran on."""
    if not job.log.is_file():
        return "unknown"
    found = _DEVICE.findall(job.log.read_text(encoding="utf-8", errors="replace"))
    return str(found[-1]) if found else "unknown"
