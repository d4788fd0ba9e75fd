"""The training report: what the model learned, and what it gets wrong.

training.html in `container.page` is its template; this module computes what the template shows.
"""

import base64
from collections.abc import Mapping

from container.contract.errors import ReportError
from container.page import Figure, render
from container.report import training_charts as charts
from container.report.exported import exported_notes, exported_rows
from container.report.training_record import Mistake, TrainingRecord

_MOST_PAIRS = 20
_MOST_FINDINGS = 50


def render_training_page(record: TrainingRecord, related: Mapping[str, str]) -> str:
    """Render the training report.

    Args:
        record: The job's records.
        related: Titles of other pages by their relative address.

    Raises:
        ReportError: A picture of a mistake cannot be read.
    """
    pairs = charts.confused_pairs(record)
    sections = {
        "curves": ("Curves", True),
        "confusion": ("Confusion", True),
        "classes": ("Classes", record.confusion and record.train_counts),
        "mistakes": ("Worst mistakes", record.mistakes or (record.test and not pairs)),
        "export": ("Export", record.exported),
        "debugger": ("Debugger", record.rules),
        "settings": ("Hyperparameters", record.settings),
    }
    worst = charts.most_mistaken(record.confusion)
    return render(
        "training.html",
        _figures(record, worst),
        related=related,
        navigation={anchor: title for anchor, (title, shown) in sections.items() if shown},
        record=record,
        pictures=sum(map(sum, record.confusion)),
        totals=_totals(record),
        epochs=_epochs(record),
        many_classes=_has_many_classes(record),
        worst_classes=len(worst),
        pairs=[
            (true, predicted, f"{count:,}", f"{100 * count / total:.1f}") for true, predicted, count, total in pairs
        ],
        most_pairs=_MOST_PAIRS,
        classes=_classes(record),
        mistakes=[(mistake, _data_uri(mistake)) for mistake in record.mistakes],
        exported=exported_rows(record.exported),
        exported_notes=exported_notes(record.exported),
        rules=[(result.rule, result.status, f"{len(result.findings):,}") for result in record.rules],
        findings=_findings(record),
        most_findings=_MOST_FINDINGS,
    )


def _has_many_classes(record: TrainingRecord) -> bool:
    return len(record.classes) > charts.MANY_CLASSES


def _figures(record: TrainingRecord, worst: list[int]) -> dict[str, Figure]:
    figures: dict[str, Figure] = {}
    if record.history:
        figures["loss-chart"] = charts.loss_curves(record)
        figures["accuracy-chart"] = charts.curves(record, {"evaluation": "eval_accuracy"}, "evaluation accuracy, %")
        figures["rate-chart"] = charts.curves(record, {"learning rate": "learning_rate"}, "learning rate")
    if record.confusion:
        many = _has_many_classes(record)
        figures["confusion-chart"] = charts.confusion_chart(record.classes, record.confusion, named=not many)
        if many and worst:
            names = [record.classes[index] for index in worst]
            counts = [[record.confusion[row][column] for column in worst] for row in worst]
            figures["worst-chart"] = charts.confusion_chart(names, counts, named=True)
        if record.train_counts:
            figures["class-chart"] = charts.class_chart(record)
    return figures


def _totals(record: TrainingRecord) -> list[tuple[str, str]]:
    found = []
    if record.test:
        found += [
            ("test accuracy", f"{record.test['test_accuracy']:.2f} %"),
            ("test loss", f"{record.test['test_loss']:.4f}"),
        ]
    if record.history:
        found.append(("best epoch", f"{record.best_epoch} of {record.history[-1]['epoch']}"))
    if record.classes:
        found.append(("classes", f"{len(record.classes):,}"))
    return found


def _epochs(record: TrainingRecord) -> list[list[str]]:
    return [
        [
            f"{each['epoch']}",
            f"{each['train_loss']:.4f}",
            f"{each['eval_loss']:.4f}",
            f"{each['eval_accuracy']:.2f}",
            f"{each['learning_rate']:.3g}",
            f"{each.get('train_seconds', 0):,.1f}",
        ]
        for each in record.history
    ]


def _classes(record: TrainingRecord) -> list[list[str]]:
    """List a row for each class, the least accurate first."""
    rows = []
    if record.confusion and record.train_counts:
        for index, name in enumerate(record.classes):
            row = record.confusion[index]
            total, predicted, right = sum(row), sum(each[index] for each in record.confusion), row[index]
            accuracy, precision = (f"{100 * right / count:.1f}" if count else "" for count in (total, predicted))
            rows.append([name, f"{record.train_counts[index]:,}", f"{total:,}", f"{right:,}", accuracy, precision])
    return sorted(rows, key=lambda row: float(row[4] or 101))


def _data_uri(mistake: Mistake) -> str:
    """Encode the thumbnail as a `data:` URI."""
    try:
        data = mistake.picture.read_bytes()
    except OSError as error:
        raise ReportError(f"the picture {mistake.picture} cannot be read: {error.strerror}") from error
    return "data:image/jpeg;base64," + base64.b64encode(data).decode("ascii")


def _findings(record: TrainingRecord) -> list[list[str]]:
    return [
        [result.rule, *(str(finding.get(name, "")) for name in ("step", "tensor", "value", "message"))]
        for result in record.rules
        for finding in result.findings
    ]
