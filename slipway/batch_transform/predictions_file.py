"""predictions.csv and predictions.jsonl: one line for each picture, with the picture's name."""

import csv
import io
import json
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from slipway.errors import TransformError

Format = Literal["csv", "jsonl"]

ACCEPT: dict[Format, str] = {"csv": "text/csv", "jsonl": "application/jsonlines"}
"""Content type to ask the container for, by format."""


@dataclass(frozen=True)
class Row:
    """A picture and its answer."""

    image: str
    """Name relative to the address or folder."""
    answer: str | None
    """The container's answer, in the requested content type; None if there is none."""
    reason: str = ""
    """Reason why there is no answer."""
    expected: str | None = None
    """The picture's label in a manifest."""


def require_absent(path: Path) -> None:
    """Check that the file does not exist yet, before anything costs money.

    Raises:
        TransformError: The file exists.
    """
    if path.exists():
        raise TransformError(f"{path} already exists; name another file with --predictions, or remove it")


def write_predictions(path: Path, rows: Iterable[Row], form: Format, *, labelled: bool = False) -> int:
    """Write the file atomically; a picture without an answer has a line with the reason.

    Args:
        path: The file.
        rows: A row for each picture.
        form: Format of the answers.
        labelled: Whether to write the labels.

    Returns:
        The number of pictures without an answer.

    Raises:
        TransformError: The file cannot be written.
    """
    failed = 0
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".predictions-") as scratch:
            part = Path(scratch) / path.name
            with part.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
                if form == "csv":
                    file.write("image,label,probability,error" + ",expected" * labelled + "\n")
                for row in rows:
                    failed += row.answer is None
                    file.write(_csv(row, labelled=labelled) if form == "csv" else _json_lines(row))
            part.replace(path)
    except OSError as error:
        raise TransformError(
            f"{path} cannot be written: {error.strerror}; name another file with --predictions"
        ) from error
    return failed


def _csv(row: Row, *, labelled: bool) -> str:
    text = io.StringIO()
    end = (row.expected or "",) * labelled
    writer = csv.writer(text, lineterminator="\n")
    if row.answer is None:
        writer.writerow((row.image, "", "", row.reason, *end))
    else:
        for fields in csv.reader(io.StringIO(row.answer, newline="")):
            writer.writerow((row.image, *fields, "", *end))
    return text.getvalue()


def _json_lines(row: Row) -> str:
    if row.answer is None:
        return _json_line(row, json.dumps({"error": row.reason}))
    return "".join(_json_line(row, line) for line in row.answer.split("\n") if line.strip())


def _json_line(row: Row, line: str) -> str:
    try:
        value = json.loads(line)
    except ValueError:
        # A user's own inference.py may answer in another form.
        value = line
    fields = value if isinstance(value, dict) else {"answer": value}
    label = {} if row.expected is None else {"expected": row.expected}
    return json.dumps({"image": row.image, **fields, **label}, ensure_ascii=False) + "\n"
