"""The training report: what was learnt, and what the model gets wrong."""

import base64
from collections.abc import Mapping
from html import escape
from importlib.resources import files

from container.errors import ReportError
from container.page import Figure, render_frame
from container.page.markup import chart, details, image, legend, path, section, table, tiles
from container.report import training_charts as charts
from container.report.training_record import Mistake, RuleResult, TrainingRecord

_SECTIONS = {
    "curves": "Curves",
    "confusion": "Confusion",
    "classes": "Classes",
    "mistakes": "Worst mistakes",
    "debugger": "Debugger",
    "settings": "Hyperparameters",
}
_MOST_PAIRS = 20
_MOST_FINDINGS = 50
_NOT_TESTED = "<p>The job ended before the test.</p>"

Figures = dict[str, Figure]


def render_training_page(record: TrainingRecord, related: Mapping[str, str]) -> str:
    """The whole page.

    Args:
        record: What was recorded.
        related: Titles of other pages by their relative address.

    Raises:
        ReportError: A picture of a mistake cannot be read.
    """
    figures: Figures = {}
    body = {
        "curves": _curves(record, figures),
        "confusion": _confusion(record, figures),
        "classes": _classes(record, figures),
        "mistakes": _mistakes(record),
        "debugger": _debugger(record),
        "settings": _settings(record),
    }
    pictures = sum(map(sum, record.confusion))
    lead = [escape(record.job), f"{len(record.history)} epochs", f"{pictures:,} test pictures" if pictures else ""]
    return render_frame(
        title=f"{record.job}: training report" if record.job else "Training report",
        heading=_heading(record),
        lead=", ".join(part for part in lead if part),
        navigation={anchor: title for anchor, title in _SECTIONS.items() if body[anchor]},
        body=_overview(record) + "".join(body.values()),
        figures=figures,
        made_by="slipway report",
        styles=(files("container.report") / "report.css").read_text(encoding="utf-8"),
        related=related,
    )


def _heading(record: TrainingRecord) -> str:
    if record.test:
        return f"{record.test['test_accuracy']:.2f} % of the test pictures are right"
    if record.history:
        accuracy = max(float(each["eval_accuracy"]) for each in record.history)
        return f"Not tested yet; at best {accuracy:.2f} % in evaluation"
    return "Nothing was learnt yet"


def _overview(record: TrainingRecord) -> str:
    found = []
    if record.test:
        found += [
            ("test accuracy", f"{record.test['test_accuracy']:.2f} %"),
            ("test loss", f"{record.test['test_loss']:.4f}"),
        ]
    if record.history:
        found.append(("best epoch", f"{record.best_epoch} of {len(record.history)}"))
    if record.classes:
        found.append(("classes", f"{len(record.classes):,}"))
    return tiles(found)


def _curves(record: TrainingRecord, figures: Figures) -> str:
    if not record.history:
        return section("curves", "Curves", "<p>No epoch has ended.</p>")
    figures["loss-chart"] = charts.loss_curves(record)
    figures["accuracy-chart"] = charts.curves(record, {"evaluation": "eval_accuracy"}, "evaluation accuracy, %")
    figures["rate-chart"] = charts.curves(record, {"learning rate": "learning_rate"}, "learning rate")
    rows = [
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
    head = ["epoch", "training loss", "evaluation loss", "evaluation accuracy, %", "learning rate", "training, s"]
    return section(
        "curves",
        "Curves",
        f'<p class="quiet">The larger mark is the best epoch, {record.best_epoch}: the lowest evaluation loss.</p>',
        "<h3>Loss</h3>",
        legend(["training", "evaluation"]),
        chart("loss-chart", "Lines: loss after each epoch. The table below holds the same numbers."),
        "<h3>Evaluation accuracy</h3>",
        chart("accuracy-chart", "Line: evaluation accuracy after each epoch. The table holds the same numbers."),
        "<h3>Learning rate</h3>",
        chart("rate-chart", "Line: learning rate of each epoch. The table holds the same numbers."),
        details("The numbers as a table", table(head, rows, numbers=range(1, 6), name="Epochs")),
    )


def _confusion(record: TrainingRecord, figures: Figures) -> str:
    if not record.confusion:
        return section("confusion", "Confusion", _NOT_TESTED)
    many = len(record.classes) > charts.MANY_CLASSES
    figures["confusion-chart"] = charts.confusion_chart(record.classes, record.confusion, named=not many)
    parts = [chart("confusion-chart", "Matrix: true classes down, predicted ones across; darker is more frequent.")]
    worst = charts.most_mistaken(record.confusion)
    if many:
        parts.insert(0, '<p class="quiet">All classes; the pointer tells which. Off the diagonal are mistakes.</p>')
    if many and worst:
        names = [record.classes[index] for index in worst]
        counts = [[record.confusion[row][column] for column in worst] for row in worst]
        figures["worst-chart"] = charts.confusion_chart(names, counts, named=True)
        text = "Matrix of the classes with the most mistakes; shares are of what is shown."
        parts.append(f"<h3>The {len(worst)} classes with the most mistakes</h3>{chart('worst-chart', text)}")
    pairs = charts.confused_pairs(record)
    rows = [
        [escape(true), escape(predicted), f"{count:,}", f"{100 * count / total:.1f}"]
        for true, predicted, count, total in pairs[:_MOST_PAIRS]
    ]
    more = f'<p class="quiet">… and {len(pairs) - _MOST_PAIRS:,} more pairs.</p>' if len(pairs) > _MOST_PAIRS else ""
    listed = (
        table(["true", "predicted", "pictures", "% of the class"], rows, numbers=(2, 3), name="Most confused pairs")
        if rows
        else "<p>None: every test picture is right.</p>"
    )
    return section("confusion", "Confusion", *parts, "<h3>Most confused pairs</h3>", listed, more)


def _classes(record: TrainingRecord, figures: Figures) -> str:
    if not record.confusion or not record.train_counts:
        return ""
    figures["class-chart"] = charts.class_chart(record)
    rows = []
    for index, name in enumerate(record.classes):
        row = record.confusion[index]
        total, predicted, right = sum(row), sum(each[index] for each in record.confusion), row[index]
        accuracy, precision = (f"{100 * right / count:.1f}" if count else "" for count in (total, predicted))
        rows.append([escape(name), f"{record.train_counts[index]:,}", f"{total:,}", f"{right:,}", accuracy, precision])
    rows.sort(key=lambda row: float(row[4] or 101))
    head = ["class", "train", "test", "right", "accuracy, %", "precision, %"]
    return section(
        "classes",
        "Accuracy against class size",
        chart("class-chart", "Points: test accuracy of each class against its pictures in train. The table has them."),
        details("All classes, the worst first", table(head, rows, numbers=range(1, 6), name="Classes")),
    )


def _mistakes(record: TrainingRecord) -> str:
    if not record.mistakes:
        none = "<p>None: every test picture is right.</p>" if record.test and not charts.confused_pairs(record) else ""
        return section("mistakes", "Worst mistakes", none) if none else ""
    cards = "".join(map(_card, record.mistakes))
    text = (
        "The test pictures that the model was most wrong about: look for wrong labels, several things in one picture, "
        "and classes that look alike."
    )
    return section("mistakes", "Worst mistakes", f'<p class="quiet">{text}</p><div class="mistakes">{cards}</div>')


def _card(mistake: Mistake) -> str:
    try:
        data = base64.b64encode(mistake.picture.read_bytes()).decode("ascii")
    except OSError as error:
        raise ReportError(f"the picture {mistake.picture} cannot be read: {error.strerror}") from error
    return (
        f"<figure>{image(f'data:image/jpeg;base64,{data}', f'{mistake.true} taken for {mistake.predicted}')}"
        "<figcaption>"
        f'<b class="problem">{escape(mistake.predicted)}</b> {100 * mistake.probability:.1f} %<br>'
        f'is <b class="good">{escape(mistake.true)}</b> {100 * mistake.probability_true:.1f} %<br>'
        f"{path(mistake.path)}</figcaption></figure>"
    )


def _debugger(record: TrainingRecord) -> str:
    if not record.rules:
        return ""
    rows = [[escape(result.rule), _status(result), f"{len(result.findings):,}"] for result in record.rules]
    found = [
        [
            escape(result.rule),
            escape(str(finding.get("step", ""))),
            f'<span class="path">{escape(str(finding.get("tensor", "")))}</span>',
            escape(str(finding.get("value", ""))),
            escape(str(finding.get("message", ""))),
        ]
        for result in record.rules
        for finding in result.findings
    ]
    head = ["rule", "step", "tensor", "value", "what it says"]
    listed = table(head, found[:_MOST_FINDINGS], numbers=(1,), name="Findings", stacks=True) if found else ""
    more = f'<p class="quiet">… and {len(found) - _MOST_FINDINGS:,} more.</p>' if len(found) > _MOST_FINDINGS else ""
    return section(
        "debugger",
        "Debugger",
        table(["rule", "", "findings"], rows, numbers=(2,), name="Rules", stacks=True),
        listed,
        more,
    )


def _status(result: RuleResult) -> str:
    level = {"IssuesFound": "problem", "Error": "notice", "NoIssuesFound": "good"}.get(result.status, "quiet")
    return f'<b class="{level}">{escape(result.status)}</b>'


def _settings(record: TrainingRecord) -> str:
    if not record.settings:
        return ""
    rows = [[escape(name), escape(value)] for name, value in record.settings.items()]
    return section("settings", "Hyperparameters", table(["name", "value"], rows, name="Hyperparameters"))
