"""Reads the rows of a manifest: CSV, or JSON Lines in SageMaker's augmented manifest form."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from container.contract.errors import DataError
from container.folder import printable, same_name
from container.manifest.finding import Form

_SHOWN = 5


@dataclass(frozen=True)
class Row:
    """A picture and its label, as the manifest has them."""

    line: int
    """The row's first line in the file, from 1."""
    file: str
    label: str

    def __str__(self) -> str:
        return f"{printable(self.file)} (line {self.line})"


def read_rows(form: Form) -> list[Row]:
    """Read all rows of a manifest; empty lines are passed over.

    Raises:
        DataError: The file is unreadable, not UTF-8 or empty, or a row is damaged, has no file or no label, or two
            labels look alike.
    """
    text = _text(form)
    rows = list(_table_rows(form, text) if form.delimiter else _json_rows(form, text))
    where = printable(form.path)
    if not rows:
        raise DataError(f"{where} names no picture; it needs a line for each: its file and its label")
    # First, as these texts cannot be shown or compared with files.
    if odd := [row for row in rows if not row.label.isprintable() or not _encodable(row.file)]:
        raise DataError(
            f"{where} has a line end or an invisible character in line {odd[0].line}: {odd[0].file!a}, "
            f"{odd[0].label!a}; remove it"
        )
    if nameless := [row for row in rows if not row.file]:
        raise DataError(
            f"{where} has {counted(nameless, 'line')} without a file in {form.file!r}, the first line "
            f"{nameless[0].line}; add the file's name, or remove the line"
        )
    if bare := [row for row in rows if not row.label]:
        raise DataError(
            f"{where} has {counted(bare, 'picture')} without a label in {form.label!r}: {listed(bare)}; add the "
            "labels, or remove the lines"
        )
    _check_spelling(rows, where)
    return rows


def _encodable(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def row_label(row: Row) -> str:
    """Describe a row by its label."""
    return f"{printable(row.label)} (line {row.line})"


def listed(items: Sequence[object]) -> str:
    """List the first of some things, and count the others."""
    more = f" and {len(items) - _SHOWN:,} more" if len(items) > _SHOWN else ""
    return ", ".join(map(str, items[:_SHOWN])) + more


def counted(items: Sequence[object], noun: str) -> str:
    """Count things."""
    return f"{len(items):,} {noun}{'s' * (len(items) > 1)}"


def _text(form: Form) -> str:
    where = printable(form.path)
    try:
        data = form.path.read_bytes()
    except OSError as error:
        raise DataError(f"{where} cannot be read: {error.strerror}") from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{where} is not UTF-8: byte {data[error.start]:#04x} in line {line}; save it as UTF-8 (Excel's CSV UTF-8)"
        ) from error


def _table_rows(form: Form, text: str) -> Iterator[Row]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=form.delimiter, strict=True)
    header: list[str] = []
    line = 1
    try:
        for cells in reader:
            begun, line = line, reader.line_num + 1
            cells = [cell.strip() for cell in cells]
            while cells and not cells[-1]:
                cells.pop()
            if not cells:
                continue
            if not header:
                header = cells
                file, label = header.index(form.file), header.index(form.label)
                continue
            if len(cells) > len(header):
                raise DataError(
                    f"line {begun} of {printable(form.path)} has {len(cells)} cells, and the header has {len(header)}; "
                    'put a name with a comma in it into quotes: "a, b.jpg"'
                )
            cells += [""] * (len(header) - len(cells))
            yield Row(begun, cells[file], cells[label])
    except csv.Error as error:
        raise DataError(f"line {line} of {printable(form.path)} cannot be read as CSV: {error}") from error


def _json_rows(form: Form, text: str) -> Iterator[Row]:
    # Not splitlines(): JSON may hold U+2028 and the like.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
        except ValueError as error:
            raise DataError(f"line {number} of {printable(form.path)} is not JSON: {error}") from error
        if not isinstance(entry, dict):
            raise DataError(f"line {number} of {printable(form.path)} is not a JSON object of keys and values")
        file = entry.get(form.file)
        file = str(file).strip() if isinstance(file, str | int) else ""
        yield Row(number, file, _json_label(form, number, entry))


def _json_label(form: Form, number: int, entry: dict[str, Any]) -> str:
    about = entry.get(f"{form.label}-metadata")
    value = about.get("class-name") if isinstance(about, dict) else None
    if value is None or value == "":
        value = entry.get(form.label)
    if isinstance(value, list | dict):
        raise DataError(
            f"line {number} of {printable(form.path)} has {form.label!r}: {printable(json.dumps(value)[:60])}; a "
            "picture has one label, a text or a number"
        )
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return "" if value is None else str(value).strip()


def _check_spelling(rows: Sequence[Row], where: str) -> None:
    first: dict[str, Row] = {}
    for row in rows:
        other = first.setdefault(same_name(row.label), row)
        if other.label != row.label:
            raise DataError(
                f"{where} has two labels that look alike: {other.label!a} (line {other.line}) and {row.label!a} (line "
                f"{row.line}); they differ in how letters are encoded (Unicode NFC and NFD). Write them alike"
            )
