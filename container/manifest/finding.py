"""Finds the files of a folder that can be its manifest."""

import csv
import json
import os
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from dataclasses import dataclass
from pathlib import Path

from container.folder import leftover, printable
from container.manifest.columns import find_columns, find_keys

_TABLES = (".csv", ".tsv")
ENDINGS = (*_TABLES, ".jsonl", ".ndjson", ".manifest")
"""Extensions of the files that can be a manifest, in lower case."""

_HEADER_BYTES = 2**20
_SHOWN = 100


@dataclass(frozen=True, kw_only=True)
class Form:
    """How to read a manifest."""

    path: Path
    file: str
    """The column or key of the file."""
    label: str
    delimiter: str = ""
    """Between a table's cells; empty for JSON Lines."""

    @property
    def usual(self) -> bool:
        """Whether the columns need no explanation."""
        return (self.file, self.label) in (("file", "label"), ("source-ref", "label"))


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a folder has beside its pictures."""

    forms: tuple[Form, ...]
    """Files that are manifests by their first line."""
    others: tuple[str, ...]
    """Files that could be a manifest by their extension, and why they are not taken: a sentence each."""


def find_manifests(folder: Path) -> Found:
    """Find the manifests directly in a folder, by extension and first line.

    Raises:
        DataError: It is not clear which of a manifest's columns are meant.
    """
    forms: list[Form] = []
    others: list[str] = []
    for path in _candidates(folder):
        found = recognise(path)
        if isinstance(found, Form):
            forms.append(found)
        else:
            others.append(f"{printable(path)} is not taken as a manifest: {found}")
    return Found(forms=tuple(forms), others=tuple(others))


def _candidates(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            names = [each.name for each in entries if not leftover(each.name) and each.is_file()]
    except OSError:  # listing the folder reports it
        return []
    return [folder / name for name in sorted(names) if Path(name).suffix.lower() in ENDINGS]


def recognise(path: Path) -> Form | str:
    """Return how to read a manifest, or the reason why the file is none."""
    try:
        with path.open("rb") as file:
            start = file.read(_HEADER_BYTES)
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    wide = start.startswith((BOM_UTF16_LE, BOM_UTF16_BE))
    text = start.decode("utf-16" if wide else "utf-8-sig", "replace")
    line = next((each for each in text.splitlines() if each.strip(" ,;\t")), "")
    if not line:
        return "it is empty"
    return _table(path, line) if path.suffix.lower() in _TABLES else _json_lines(path, line)


def _table(path: Path, line: str) -> Form | str:
    delimiter = max(",;\t", key=line.count)
    try:
        names = [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter))]
    except csv.Error as error:
        return f"its header cannot be read: {error}"
    while names and not names[-1]:
        names.pop()
    columns = find_columns(names, printable(path))
    if columns is None:
        return f"its first line is {_shown(line)}; a manifest's is the header file,label"
    return Form(path=path, file=columns[0], label=columns[1], delimiter=delimiter)


def _json_lines(path: Path, line: str) -> Form | str:
    try:
        entry = json.loads(line)
    except ValueError:
        entry = None
    if not isinstance(entry, dict):
        return f"its first line is {_shown(line)}, and not a JSON object on one line"
    keys = find_keys(entry, printable(path))
    if keys is None:
        return f"its first line is {_shown(line)}, without the keys source-ref (or file) and label"
    return Form(path=path, file=keys[0], label=keys[1])


def _shown(line: str) -> str:
    return printable(line if len(line) <= _SHOWN else line[:_SHOWN] + "…")
