"""The list of suspects: a CSV file of what was found, with what `slipway data clean` is to do about each."""

import csv
import io
from collections.abc import Iterator
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from container.contract.errors import DataError
from container.folder import printable
from slipway.errors import PageError
from slipway.explore.contents import Contents
from slipway.explore.findings import Findings
from slipway.explore.scan import Dataset, Picture

ACTIONS = ("remove", "relabel", "keep")

_KEPT_FIRST = ("test", "validation", "train")


@dataclass(frozen=True)
class Suspect:
    """A row of the list. The columns have these names, none of which a manifest's column has."""

    suspect: str
    """Path of a file below the data folder."""
    kind: str
    given: str
    """Its class."""
    suggested: str
    """A class, for a wrong label."""
    like: str
    """The file that it is like."""
    score: str
    action: str
    """One of `ACTIONS`."""


_HEADER = [field.name for field in fields(Suspect)]


def list_suspects(dataset: Dataset, findings: Findings, contents: Contents) -> list[Suspect]:
    """List everything that was found in files, with the action that is taken unless the user changes it.

    A copy is removed from train if it is also in test or validation, so that results stay comparable; within a split,
    the smaller of two pictures goes. Copies with different labels and outliers are kept for the user to decide.
    """
    return [
        *(
            Suspect(dataset.relative(entry), "unreadable", printable(entry.label), "", "", "", "remove")
            for entry in dataset.unreadable
        ),
        *_copies(dataset, findings, contents),
        *(
            Suspect(
                dataset.relative(wrong.picture),
                "wrong-label",
                wrong.picture.label,
                wrong.suggestion,
                dataset.relative(wrong.like) if wrong.like else "",
                f"{wrong.margin:.3f}",
                "relabel",
            )
            for wrong in contents.wrong_labels
        ),
        *(
            Suspect(dataset.relative(each.picture), "outlier", each.picture.label, "", "", f"{each.factor:.2f}", "keep")
            for each in contents.outliers
        ),
    ]


def _copies(dataset: Dataset, findings: Findings, contents: Contents) -> Iterator[Suspect]:
    for group in findings.duplicates:
        kept, *others = sorted(group.pictures, key=_worth)
        for picture in others:
            yield _copy(dataset, "duplicate", kept, picture, 1.0)
    for pair in contents.pairs:
        kept, picture = sorted(pair.pictures, key=_worth)
        yield _copy(dataset, "near-duplicate", kept, picture, pair.correlation)


def _worth(picture: Picture) -> tuple[int, int, str]:
    place = _KEPT_FIRST.index(picture.split) if picture.split in _KEPT_FIRST else 0
    return place, -picture.width * picture.height, str(picture.path)


def _copy(dataset: Dataset, kind: str, kept: Picture, picture: Picture, score: float) -> Suspect:
    action = "remove" if kept.label == picture.label else "keep"
    names = dataset.relative(picture), dataset.relative(kept)
    return Suspect(names[0], kind, picture.label, "", names[1], f"{score:.4f}", action)


def write_suspects(file: Path, suspects: list[Suspect]) -> None:
    """Write the list.

    Raises:
        PageError: The file cannot be written.
    """
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([_HEADER, *map(astuple, suspects)])
    try:
        file.write_text(text.getvalue(), encoding="utf-8")
    except OSError as error:
        raise PageError(f"{file} cannot be written: {error.strerror}; name another file with --write") from error


def read_suspects(file: Path) -> list[Suspect]:
    """Read a list that `write_suspects` wrote and the user may have edited.

    Raises:
        DataError: It cannot be read, has no such columns, or a row has an unknown action.
    """
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            if missing := [name for name in ("suspect", "action") if name not in (reader.fieldnames or ())]:
                raise DataError(
                    f"{file} has no column {missing[0]}; it is written by slipway data explore DIRECTORY --write {file}"
                )
            rows = [{name: (row.get(name) or "").strip() for name in _HEADER} for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    for number, row in enumerate(rows, start=2):
        if row["action"] not in ACTIONS:
            raise DataError(
                f"{file}, line {number}: the action is {row['action']!r}; it is one of {', '.join(ACTIONS)}"
            )
        if row["action"] == "relabel" and not row["suggested"]:
            raise DataError(f"{file}, line {number}: the action is relabel, but the column suggested is empty")
    return [Suspect(**row) for row in rows]
