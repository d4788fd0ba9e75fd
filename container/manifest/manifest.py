"""A folder's manifest, beside what lies in the folder."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from container.contract.errors import DataError
from container.folder import Listing, list_class, printable
from container.manifest.columns import is_identifier
from container.manifest.finding import ENDINGS, Form, find_manifests, recognise
from container.manifest.matching import Match, match
from container.manifest.rows import counted, listed, read_rows, row_label


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """A folder's manifest and its files."""

    folder: Path
    form: Form
    match: Match
    listing: Listing
    """Everything below the folder, the manifest included."""

    @property
    def path(self) -> Path:
        return self.form.path

    @cached_property
    def classes(self) -> dict[str, list[Path]]:
        """The pictures of each label that can be opened, in the order of an ImageFolder tree: by label and path."""
        classes: dict[str, list[Path]] = {
            label: [] for label in sorted({row.label for row in self.match.rows.values()})
        }
        for path, row in sorted((self.folder / name, row) for name, row in self.match.rows.items()):
            if path not in self.listing.unreadable:
                classes[row.label].append(path)
        return classes

    @cached_property
    def labels(self) -> dict[Path, str]:
        """The label of each picture that can be opened, by label and path."""
        return {path: label for label, paths in self.classes.items() for path in paths}

    @cached_property
    def unnamed(self) -> list[Path]:
        """Files that the manifest does not name."""
        return [path for path in self.listing.files if path not in self.labels and path != self.path]

    def require_files(self) -> None:
        """Raise a DataError if a file is absent."""
        if text := self.describe_absent():
            raise DataError(f"{text}. Add the files, or remove their lines")

    def describe_absent(self) -> str:
        """Say how many of the named files are not there, and which; empty if all are."""
        absent = self.match.absent
        if not absent:
            return ""
        total = len(absent) + len(self.match.rows) + len(self.match.repeated)
        text = (
            f"{printable(self.path)} names {counted(absent, 'file')} of {total:,} that "
            f"{'are' if len(absent) > 1 else 'is'} not below its folder: {listed(absent)}"
        )
        wanted = f"/{absent[0].file}".casefold()
        near = next((path for path in self.listing.files if path.as_posix().casefold().endswith(wanted)), None)
        return text if near is None else f"{text} (there is {printable(near.relative_to(self.folder))})"

    def notes(self) -> list[str]:
        """Say what was decided about the manifest and the files, apart from absent files."""
        found, name = self.match, printable(self.path.name)
        notes = []
        if not self.form.usual:
            notes.append(f"{name}: the files are taken from {self.form.file!r}, the labels from {self.form.label!r}")
        alike: defaultdict[str, list[str]] = defaultdict(list)
        for label in self.classes:
            alike[" ".join(label.casefold().split())].append(printable(label))
        if several := [" and ".join(labels) for labels in alike.values() if len(labels) > 1]:
            notes.append(f"labels of {name} that differ in case or spaces are different classes: {listed(several)}")
        notes += self._folder_notes()
        if found.deeper:
            row, file = found.deeper[0]
            notes.append(
                f"{name} names {counted(found.deeper, 'file')} without the folders, which were searched: "
                f"{row} is {printable(file)}"
            )
        if found.repeated:
            again = counted(found.repeated, "file")
            notes.append(f"{name} names {again} again, with the same label: {listed(found.repeated)}")
        if self.unnamed:
            relative = [printable(path.relative_to(self.folder)) for path in self.unnamed]
            notes.append(f"{counted(relative, 'file')} left out, as {name} does not name them: {listed(relative)}")
        return notes

    def _folder_notes(self) -> list[str]:
        """Say that the manifest counts where folders are named for labels, too."""
        placed = [(file, row) for file, row in self.match.rows.items() if file.partition("/")[0] in self.classes]
        if not placed:
            return []
        note = f"the classes are those of {printable(self.path.name)}, not the folders"
        other = [
            f"{printable(file)} is {row_label(row)}" for file, row in placed if file.partition("/")[0] != row.label
        ]
        return [
            note + f"; in the folder of another class lie {counted(other, 'picture')}: {listed(other)}" * bool(other)
        ]


@dataclass(frozen=True, kw_only=True)
class Looked:
    """The result of looking for a folder's manifest."""

    manifest: Manifest | None
    others: tuple[str, ...]
    """Files that could be one by their extension, and why they are not taken: a sentence each."""


def read_manifest(folder: Path) -> Looked:
    """Find the manifest of a folder, read it, and compare it with what lies there; no picture is opened.

    Raises:
        DataError: There are several manifests, or one cannot be used: see `read_rows` and `match`.
    """
    found = find_manifests(folder)
    if not found.forms:
        return Looked(manifest=None, others=found.others)
    listing = list_class(folder, folder)
    names = [path.relative_to(folder).as_posix() for path in (*listing.files, *listing.unreadable)]
    manifests: list[Manifest] = []
    others = list(found.others)
    for form in found.forms:
        where = printable(form.path)
        made = Manifest(folder=folder, form=form, match=match(read_rows(form), names, where), listing=listing)
        # Other tables have an id, too: of the classes, or of pictures elsewhere.
        if is_identifier(form.file) and not made.match.rows:
            others.append(f"{where} is not taken as a manifest: {made.describe_absent()}")
        else:
            manifests.append(made)
    if len(manifests) > 1:
        raise DataError(
            f"{printable(folder)} has {len(manifests)} manifests: "
            f"{', '.join(printable(each.path.name) for each in manifests)}; keep the one that names the pictures and "
            "their labels, and move the others away"
        )
    return Looked(manifest=manifests[0] if manifests else None, others=tuple(others))


def match_names(path: Path, names: Iterable[str]) -> Match:
    """Read one manifest, and find which of some other place's files it names.

    Args:
        path: The manifest.
        names: The files, relative to their place, with slashes.

    Raises:
        DataError: It is no manifest, or it cannot be used: see `read_rows` and `match`.
    """
    form = recognise(path) if path.suffix.lower() in ENDINGS else f"its name ends with none of {', '.join(ENDINGS)}"
    if isinstance(form, str):
        raise DataError(f"{printable(path)} is no manifest: {form}")
    return match(read_rows(form), names, printable(path))
