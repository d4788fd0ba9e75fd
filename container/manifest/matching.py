"""Finds the files that a manifest's rows name."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from posixpath import basename, normpath, splitext

from container.contract.errors import DataError
from container.folder import printable, same_name
from container.manifest.rows import Row, listed, row_label

_S3 = re.compile(r"s3[an]?://[^/]*/?", re.IGNORECASE)
_OTHER_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_ABSOLUTE = re.compile(r"/|[a-z]:", re.IGNORECASE)


@dataclass(kw_only=True)
class Match:
    """Which of a folder's files the rows name."""

    rows: dict[str, Row] = field(default_factory=dict)
    """The row of each file that is there."""
    absent: list[Row] = field(default_factory=list)
    """Rows whose file is not there."""
    repeated: list[Row] = field(default_factory=list)
    """Rows that name a file again, with the same label."""
    deeper: list[tuple[Row, str]] = field(default_factory=list)
    """Rows that leave out the folders in which their file lies, and that file."""


def match(rows: Iterable[Row], files: Iterable[str], where: str) -> Match:
    """Find the file of each row.

    A relative path is one below the folder, or the end of exactly one there; a picture's extension may be missing, as
    in Kaggle's `id`. The folder is taken as one of those in an S3 address: the file is at the longest end of the
    address that is there.

    Args:
        rows: The manifest's rows.
        files: The folder's files, relative, with slashes.
        where: The manifest's path, for messages.

    Raises:
        DataError: A row's path leaves the folder, is absolute, or fits several files; or a file has two labels.
    """
    index = _Index(files)
    found = Match()
    for row in rows:
        in_s3 = _S3.match(row.file)
        name = _relative(row, row.file[in_s3.end() :] if in_s3 else row.file.replace("\\", "/"), where)
        file = index.end_of(name) if in_s3 else index.only(name, row, where)
        if file is None:
            found.absent.append(row)
            continue
        if not in_s3 and file.count("/") > name.count("/"):
            found.deeper.append((row, file))
        first = found.rows.setdefault(file, row)
        if first.label != row.label:
            raise DataError(
                f"{where} gives {printable(file)} two labels: {row_label(first)} and {row_label(row)}; keep one of them"
            )
        if first is not row:
            if in_s3 and first.file != row.file:
                raise DataError(
                    f"{where} names {first} and {row}, and both end like {printable(file)}, the only such file there; "
                    "keep the folders in which they lie in S3"
                )
            found.repeated.append(row)
    return found


def _relative(row: Row, name: str, where: str) -> str:
    if _OTHER_ADDRESS.match(name):
        raise DataError(f"{where} names {row}; nothing is downloaded: name files below the manifest's folder")
    if _ABSOLUTE.match(name):
        raise DataError(
            f"{where} names {row}, which is an absolute path and would fit one machine alone; name files relative to "
            "the manifest's folder"
        )
    plain = same_name(normpath(name))
    if plain == ".." or plain.startswith("../"):
        raise DataError(f"{where} names {row}, which leaves the manifest's folder; the pictures must lie below it")
    return plain


class _Index:
    """A folder's files, by their last name with and without a picture's extension."""

    def __init__(self, files: Iterable[str]) -> None:
        self._by_path: dict[str, str] = {}
        self._by_name: defaultdict[str, list[str]] = defaultdict(list)
        for file in files:
            path = same_name(file)
            self._by_path[path] = file
            self._by_name[basename(path)].append(path)
            if (stem := _without_extension(path)) is not None:
                self._by_name[basename(stem)].append(path)

    def end_of(self, key: str) -> str | None:
        """Find the file at the longest end of an S3 key."""
        parts = key.split("/")
        ends = ("/".join(parts[start:]) for start in range(len(parts)))
        return next((self._by_path[end] for end in ends if end in self._by_path), None)

    def only(self, name: str, row: Row, where: str) -> str | None:
        """Find the one file with this path, or that ends with it."""
        if name in self._by_path:
            return self._by_path[name]
        ending = [path for path in self._by_name[basename(name)] if _ends(path, name)]
        fit: Sequence[str] = [path for path in ending if _without_extension(path) == name] or ending
        if len(fit) > 1:
            raise DataError(
                f"{where} names {row}, and several files fit: {listed([printable(path) for path in fit])}; name the "
                "one that is meant with its folders and extension"
            )
        return self._by_path[fit[0]] if fit else None


def _without_extension(path: str) -> str | None:
    # Only here: the command's help does not wait for numpy and Pillow.
    from container.picture import ENDINGS

    stem, ending = splitext(path)
    return stem if ending.lower() in ENDINGS else None


def _ends(path: str, name: str) -> bool:
    return any(f"/{each}".endswith(f"/{name}") for each in (path, _without_extension(path)) if each is not None)
