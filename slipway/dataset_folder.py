"""The user's data folder: its train, validation and test splits, and their class folders."""

from collections.abc import Iterator
from pathlib import Path

from container.contract.channels import CHANNEL_NAMES
from container.contract.errors import DataError
from container.folder import ImageFolder, leftover, list_files, list_image_folder, printable

SPLIT_FOLDERS = CHANNEL_NAMES
"""The folder names that are accepted for each split: those of the channels."""


def find_splits(directory: Path) -> dict[str, Path]:
    """Find the splits below a data folder, in the order train, validation, test; empty if it has none.

    Raises:
        DataError: The folder is missing or a file, or has two subfolders for one split.
    """
    require_folder(directory)
    splits: dict[str, Path] = {}
    for split, names in SPLIT_FOLDERS.items():
        found = [directory / name for name in names if (directory / name).is_dir()]
        if len(found) > 1:
            listed = " and ".join(f"{path.name}/" for path in found)
            raise DataError(
                f"{directory} has {listed}, which both stand for the {split} split; rename one of them, or name "
                f"the folders with --train, --validation and --test"
            )
        if found:
            splits[split] = found[0]
    return splits


def other_folders(directory: Path) -> list[str]:
    """List the other subfolders of a data folder that has splits; they are not used."""
    splits = {path.name for path in find_splits(directory).values()}
    if not splits:
        return []
    others = (path.name for path in directory.iterdir() if path.is_dir() and path.name not in splits)
    return sorted(printable(name) for name in others if not leftover(name))


def require_folder(directory: Path) -> None:
    """Raise a DataError if there is no such folder."""
    if not directory.exists():
        raise DataError(f"there is no folder {directory}; name the folder that holds the pictures")
    if not directory.is_dir():
        raise DataError(f"{directory} is a file; name the folder that holds the pictures")


def class_folders(split: Path) -> ImageFolder:
    """List the class folders of an ImageFolder tree.

    Raises:
        DataError: There is none, or two have the same name in different Unicode forms.
    """
    found = list_image_folder(split)
    if not found.classes:
        problems = "".join(f". {reason}" for reason in list(found.unreadable.values())[:3])
        raise DataError(
            f"{printable(split)} has no class folders; pictures go into one folder for each class: "
            f"{printable(split)}/<class>/<picture>, for example {printable(split)}/cat/001.jpg{problems}"
        )
    return found


def files_below(folder: Path) -> Iterator[Path]:
    """Yield every file below a folder, by path; links are followed, leftovers of systems and tools are omitted."""
    yield from list_files(folder).files
