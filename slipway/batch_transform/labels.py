"""The labels of pictures to predict, from a manifest: the pictures of a folder, and how many predictions are right."""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from container.contract.errors import DataError
from container.folder import printable, same_name
from container.manifest import match_names, read_manifest
from slipway.batch_transform.predictions_file import Format, Row
from slipway.datasets.folder import files_below, require_folder
from slipway.errors import TransformError


@dataclass(frozen=True, kw_only=True)
class LocalPictures:
    """The pictures of a folder."""

    folder: Path
    files: list[Path]
    labels: Mapping[str, str] = field(default_factory=dict)
    """Labels by name; empty without a manifest."""

    @property
    def names(self) -> list[str]:
        """The pictures' names: relative to the folder, with slashes."""
        return [file.relative_to(self.folder).as_posix() for file in self.files]


def local_pictures(folder: Path, labels: Path | None = None) -> LocalPictures:
    """List the pictures of a folder: those that its manifest names, or all files.

    Args:
        folder: Folder of pictures, with subfolders.
        labels: A manifest from elsewhere, instead of the folder's.

    Raises:
        DataError: There is no such folder, or a manifest cannot be used or names absent files.
        TransformError: The folder holds no files.
    """
    require_folder(folder)
    manifest = read_manifest(folder).manifest
    if manifest is not None:
        manifest.require_files()
        named = {path.relative_to(folder).as_posix(): label for path, label in manifest.labels.items()}
        found = LocalPictures(folder=folder, files=sorted(manifest.labels), labels=named)
    else:
        found = LocalPictures(folder=folder, files=list(files_below(folder)))
    if not found.files:
        raise TransformError(f"there is nothing below {folder}; name the folder that holds the pictures")
    return replace(found, labels=labels_from(labels, found.names)) if labels else found


def labels_from(path: Path, names: Iterable[str]) -> dict[str, str]:
    """Read the labels of the named pictures from a manifest, which may name others as well.

    Raises:
        DataError: The file is no manifest, it cannot be used, or it names none of the pictures.
    """
    found = match_names(path, names)
    if not found.rows:
        raise DataError(f"{printable(path)} names none of the pictures, but, for example, {found.absent[0]}")
    return {name: row.label for name, row in found.rows.items()}


@dataclass(kw_only=True)
class Tally:
    """Counts the predictions that agree with the labels."""

    form: Format
    labels: Mapping[str, str]
    labelled: int = 0
    """Predicted pictures that have a label."""
    right: int = 0

    def add(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Yield the rows with their labels."""
        for row in rows:
            label = self.labels.get(row.image)
            if label is not None and row.answer is not None:
                self.labelled += 1
                self.right += same_name(_predicted(row.answer, self.form)) == same_name(label)
            yield replace(row, expected=label)

    def describe(self) -> str:
        """Say how many are right; empty without labels."""
        if not self.labelled:
            return ""
        share = 100 * self.right / self.labelled
        return f"{self.right:,} of {self.labelled:,} labelled pictures are predicted right ({share:.2f} %)"


def _predicted(answer: str, form: Format) -> str:
    """Extract the most probable class of an answer; empty if a user's own inference.py answers otherwise."""
    if form == "csv":
        return next(iter(next(csv.reader([answer]), [])), "")
    try:
        return str(json.loads(answer)["predictions"][0]["label"])
    except (ValueError, KeyError, TypeError, IndexError):
        return ""
