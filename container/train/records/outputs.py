"""The files that a job writes to /opt/ml/output/data beside its reports."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from container.atomic_file import write_atomically
from container.folder import printable
from container.train.data.channels import Sample
from container.train.records.evaluation import Evaluation

METRICS = "metrics.jsonl"
CONFUSION_MATRIX = "confusion_matrix.csv"
PER_CLASS = "per_class.csv"
UNREADABLE = "unreadable.csv"
PREDICTIONS = "test_predictions.csv"


def write_metrics(directory: Path, records: Sequence[Mapping[str, Any]]) -> None:
    """Write one JSON object a line: one for each epoch, and one for the test at the end."""
    _write(directory / METRICS, "".join(json.dumps(record) + "\n" for record in records))


def write_confusion_matrix(directory: Path, classes: Sequence[str], evaluation: Evaluation) -> None:
    """Write the matrix: rows are true classes, columns predicted ones; the first row and column hold their names."""
    rows = [["true \\ predicted", *classes]]
    rows += [[name, *map(str, counts)] for name, counts in zip(classes, evaluation.confusion.tolist(), strict=True)]
    _write_csv(directory / CONFUSION_MATRIX, rows)


def write_per_class(
    directory: Path, classes: Sequence[str], train_counts: Sequence[int], evaluation: Evaluation
) -> None:
    """Write each class's accuracy (recall, percent) and precision (percent) on the test split, and its train size."""
    rows = [["class", "train_pictures", "test_pictures", "correct", "accuracy", "precision"]]
    for index, name in enumerate(classes):
        of_class = int(evaluation.confusion[index].sum())
        predicted = int(evaluation.confusion[:, index].sum())
        correct = int(evaluation.confusion[index, index])
        rows.append(
            [
                name,
                str(train_counts[index]),
                str(of_class),
                str(correct),
                f"{100 * correct / of_class:.2f}" if of_class else "",
                f"{100 * correct / predicted:.2f}" if predicted else "",
            ]
        )
    _write_csv(directory / PER_CLASS, rows)


def write_predictions(
    directory: Path, samples: Sequence[Sample], predicted: Sequence[Sequence[int]], classes: Sequence[str]
) -> None:
    """Write the predicted class of each test picture.

    Args:
        directory: The job's output data.
        samples: The test split.
        predicted: Class indices by process, each of which was shown every `len(predicted)`-th picture.
        classes: Class names, in the order of the model's outputs.
    """
    rows = [["picture", "true", "predicted"]]
    for index, sample in enumerate(samples):
        found = predicted[index % len(predicted)][index // len(predicted)]
        rows.append([printable(sample.path.name), classes[sample.target], classes[found]])
    _write_csv(directory / PREDICTIONS, rows)


def write_unreadable(directory: Path, reasons: Mapping[Path, str]) -> None:
    """Write the list of pictures that were left out, and why."""
    _write_csv(directory / UNREADABLE, [["path", "reason"], *([printable(path), why] for path, why in reasons.items())])


def _write_csv(path: Path, rows: Sequence[Sequence[str]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    _write(path, text.getvalue())


def _write(path: Path, text: str) -> None:
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))
