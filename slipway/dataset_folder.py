"""The user's data folder: which of its subfolders are the train, validation and test splits, and their classes."""

from collections.abc import Iterator
from pathlib import Path

from container.errors import DataError

SPLIT_FOLDERS: dict[str, tuple[str, ...]] = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val"),
    "test": ("test",),
}
"""Channel name to the folder names that stand for it."""


def find_splits(directory: Path) -> dict[str, Path]:
    """The splits below a data folder, in the order train, validation, test; empty when it has none of them.

    Raises:
        DataError: The folder is missing or no folder, or has two subfolders for one split.
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


def require_folder(directory: Path) -> None:
    """Raise a DataError when there is no such folder."""
    if not directory.exists():
        raise DataError(f"there is no folder {directory}; name the folder that holds the pictures")
    if not directory.is_dir():
        raise DataError(f"{directory} is a file; name the folder that holds the pictures")


def class_folders(split: Path) -> list[Path]:
    """The class folders of an ImageFolder tree, by name; hidden ones are left out.

    Raises:
        DataError: There is none.
    """
    folders = sorted(path for path in split.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not folders:
        raise DataError(
            f"{split} has no class folders; pictures go into one folder for each class: "
            f"{split}/<class>/<picture>, for example {split}/cat/001.jpg"
        )
    return folders


def files_below(folder: Path) -> Iterator[Path]:
    """Every file below a class folder, by path; hidden files and folders are left out."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts):
            yield path
