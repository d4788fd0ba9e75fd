"""Reads a job's JSON files, with errors that say which file is wrong and where."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from container.contract.errors import ReportError

FORMAT_VERSION = 1


def read_object(path: Path) -> dict[str, Any]:
    """Read a JSON object of the current format version.

    Raises:
        ReportError: It cannot be read, is not an object, or another version wrote it.
    """
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ReportError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(fields, dict):
        raise ReportError(f"{path} is not a JSON object")
    version = fields.get("format_version")
    if version != FORMAT_VERSION:
        raise ReportError(
            f"{path}: format_version is {version!r}; this version of Slipway reads {FORMAT_VERSION}. Make the report "
            "with the version that ran the job"
        )
    return fields


def read_lines(path: Path) -> Iterator[Any]:
    """Read the value of each line.

    An interrupted job may have left half a line at the end, which is skipped.

    Raises:
        ReportError: A line before the last is damaged, or the file cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise ReportError(f"{path} cannot be read: {error.strerror}") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield json.loads(line)
        except ValueError as error:
            if number == len(lines):
                return
            raise ReportError(f"{path}, line {number} is damaged: {error}") from error
