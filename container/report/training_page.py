"""The training report: what the model learned, and what it gets wrong.

training.html in `container.page` is its template; this module computes what the template shows.
"""

import base64
from collections.abc import Mapping, Sequence
from operator import truediv

from container.contract.errors import ReportError
from container.page import Figure, render
from container.report import training_charts as charts
from container.report.debugger_findings import rule_findings, summary_rows
from container.report.exported import exported_notes, exported_rows
from container.report.probability_charts import coverage_chart, precision_recall_chart, reliability_chart
from container.report.training_record import Mistake, TrainingRecord

_MOST_PAIRS = 20


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
        "probabilities": ("Probabilities", record.probabilities),
        "classes": ("Classes", record.confusion and record.train_counts),
        "mistakes": ("Worst mistakes", record.mistakes or (record.test and not pairs)),
        "label-errors": ("Probable wrong labels", record.label_errors),
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
        probability_facts=_probability_facts(record),
        calibrated="temperature" in record.probabilities.get("calibration", {}),
        curve_classes=[curve["class"] for curve in record.probabilities.get("curves", ())],
        many_classes=_has_many_classes(record),
        worst_classes=len(worst),
        pairs=[
            (true, predicted, f"{count:,}", f"{100 * count / total:.1f}") for true, predicted, count, total in pairs
        ],
        most_pairs=_MOST_PAIRS,
        classes=_classes(record),
        mistakes=[(mistake, _data_uri(mistake)) for mistake in record.mistakes],
        label_errors=[(error, _data_uri(error)) for error in record.label_errors],
        exported=exported_rows(record.exported),
        exported_notes=exported_notes(record.exported),
        rules=summary_rows(record),
        findings=rule_findings(record),
    )


def _has_many_classes(record: TrainingRecord) -> bool:
    return len(record.classes) > charts.MANY_CLASSES


def _figures(record: TrainingRecord, worst: list[int]) -> dict[str, Figure]:
    figures: dict[str, Figure] = {}
    if record.history:
        figures["loss-chart"] = charts.loss_curves(record)
        figures["accuracy-chart"] = charts.curves(record, {"evaluation": "eval_accuracy"}, "evaluation accuracy, %")
        figures["rate-chart"] = charts.curves(record, {"learning rate": "learning_rate"}, "learning rate")
    if found := record.probabilities:
        calibrated = "temperature" in found["calibration"]
        figures["reliability-chart"] = reliability_chart(found["reliability"], calibrated=calibrated)
        figures["coverage-chart"] = coverage_chart(found["coverage"], found["rejected"])
        figures["precision-chart"] = precision_recall_chart(found["curves"])
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
        interval = record.probabilities.get("accuracy_interval")
        within = f", 95 % interval {100 * interval[0]:.1f} to {100 * interval[1]:.1f}" if interval else ""
        found += [
            (f"test accuracy{within}", f"{record.test['test_accuracy']:.2f} %"),
            ("test loss", f"{record.test['test_loss']:.4f}"),
        ]
    if record.history:
        found.append(("best epoch", f"{record.best_epoch} of {record.history[-1]['epoch']}"))
    if record.classes:
        found.append(("classes", f"{len(record.classes):,}"))
    return found


def _probability_facts(record: TrainingRecord) -> list[list[str]]:
    """List a name and a sentence for each fact about the probabilities."""
    found = record.probabilities
    if not found:
        return []
    calibration, error, rejected = found["calibration"], found["calibration_error"], found["rejected"]
    if "temperature" in calibration:
        calibrated = (
            f"{100 * error['before']:.1f} % before, {100 * error['after']:.1f} % after dividing the logits by "
            f"{calibration['temperature']:.3g}"
        )
    else:
        why = calibration.get("uncalibrated", "calibrate is false")
        calibrated = f"{100 * error['before']:.1f} %; not calibrated: {why}"
    facts = [
        ["expected calibration error", calibrated],
        ["right class among the first five", f"{100 * found['top5']:.2f} %"],
    ]
    if record.confusion:
        means = (f"{100 * value:.1f} % {name}" for name, value in _means(record.confusion).items())
        facts.append(["mean over the classes", ", ".join(means)])
    if rejected:
        answered, right = 100 * rejected["coverage"], 100 * rejected["accuracy"]
        text = f"{answered:.1f} % of the pictures are answered, {right:.2f} % of them right"
        facts.append([f"rejecting below {rejected['below']:.3f}", text])
    return facts


def _means(confusion: Sequence[Sequence[int]]) -> dict[str, float]:
    """Average recall, precision and F1 over the classes that have test pictures; a class never predicted counts 0."""
    tested = [index for index, row in enumerate(confusion) if sum(row)]
    right = [confusion[index][index] for index in tested]
    true = [sum(confusion[index]) for index in tested]
    predicted = [sum(row[index] for row in confusion) for index in tested]
    return {
        "recall": sum(map(truediv, right, true)) / len(tested),
        "precision": sum(one / max(1, all_) for one, all_ in zip(right, predicted, strict=True)) / len(tested),
        "F1": sum(2 * one / (a + b) for one, a, b in zip(right, true, predicted, strict=True)) / len(tested),
    }


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
    """List a row for each class, the least accurate first, and before them the mean over the classes."""
    rows = []
    average = record.probabilities.get("average_precision") or [None] * len(record.classes)
    if record.confusion and record.train_counts:
        for index, name in enumerate(record.classes):
            row = record.confusion[index]
            total, predicted, right = sum(row), sum(each[index] for each in record.confusion), row[index]
            accuracy, precision = (f"{100 * right / count:.1f}" if count else "" for count in (total, predicted))
            f1 = f"{200 * right / (total + predicted):.1f}" if total else ""
            of_curve = "" if (area := average[index]) is None else f"{100 * area:.1f}"
            counts = [f"{count:,}" for count in (record.train_counts[index], total, right)]
            rows.append([name, *counts, accuracy, precision, f1, of_curve])
    return sorted(rows, key=lambda row: float(row[4] or 101))


def _data_uri(mistake: Mistake) -> str:
    """Encode the thumbnail as a `data:` URI."""
    try:
        data = mistake.picture.read_bytes()
    except OSError as error:
        raise ReportError(f"the picture {mistake.picture} cannot be read: {error.strerror}") from error
    return "data:image/jpeg;base64," + base64.b64encode(data).decode("ascii")
