"""Probable label errors among the pictures that the model was not trained on, listed and kept as thumbnails."""

import csv
import io
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from container.atomic_file import write_atomically
from container.confident_learning import find_label_errors
from container.folder import printable
from container.graph.probabilities import softmax
from container.train.data.channels import Sample
from container.train.records.mistakes import Wrong, write_pictures

logger = logging.getLogger(__name__)

FOLDER = "label-errors"
LIST = "label_errors.csv"


@dataclass(frozen=True)
class Predicted:
    """The predictions for a split."""

    split: str
    logits: npt.NDArray[np.float64]
    """(N, classes), calibrated."""
    targets: npt.NDArray[np.int64]
    """(N,)."""
    samples: Sequence[Sample]
    """(N,)."""


def write_label_errors(directory: Path, found: Sequence[Predicted], classes: Sequence[str]) -> None:
    """Write label_errors.csv with all probable label errors, and thumbnails of the first. A failed write is a warning.

    Args:
        directory: The job's output data.
        found: The predictions for each split.
        classes: Class names, in the order of the model's outputs.
    """
    rows: list[tuple[float, str, Wrong, Sample]] = []
    for of_split in found:
        probabilities = softmax(np.asarray(of_split.logits, np.float32))
        errors = find_label_errors(probabilities, of_split.targets)
        for index, suggested, margin in zip(
            errors.indices.tolist(), errors.suggested.tolist(), errors.margins.tolist(), strict=True
        ):
            given, other = (float(probabilities[index, of_class]) for of_class in (of_split.targets[index], suggested))
            loss = -float(np.log(max(given, 1e-12)))
            rows.append((margin, of_split.split, (loss, index, suggested, other, given), of_split.samples[index]))
    rows.sort(key=lambda row: -row[0])
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["split", "path", "label", "suggestion", "margin"])
    for margin, split, wrong, sample in rows:
        writer.writerow([split, printable(sample.path), classes[sample.target], classes[wrong[2]], f"{margin:.4f}"])
    try:
        write_atomically(directory / LIST, lambda path: path.write_text(text.getvalue(), encoding="utf-8"))
        write_pictures(directory / FOLDER, [row[2:] for row in rows], classes, "label errors")
    except OSError as error:
        logger.warning("the probable label errors cannot be kept: %s; the training report omits them", error)
