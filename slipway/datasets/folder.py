"""The user's data folder: its train, validation and test splits, and their class folders or manifests."""

from collections.abc import Iterator
from pathlib import Path

from container.contract.channels import CHANNEL_NAMES
from container.contract.errors import DataError
from container.folder import ImageFolder, leftover, list_files, list_image_folder, printable
from container.manifest import Manifest, find_manifests, read_manifest

SPLIT_FOLDERS = CHANNEL_NAMES
"""The folder names that are accepted for each split: those of the channels."""


def find_splits(directory: Path) -> dict[str, Path]:
    """Find the splits below a data folder, in the order train, validation, test; empty if it has none.

    Folders that hold nothing but pictures are no splits if a manifest lies beside them, as Kaggle's `labels.csv` beside
    `train/` and `test/`: it names the pictures.

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
    if all(map(holds_only_files, splits.values())) and find_manifests(directory).forms:
        return {}
    return splits


def holds_only_files(folder: Path) -> bool:
    """Whether a folder has neither folders, a manifest nor tar shards, so that nothing says what its pictures show."""
    folders = any(entry.is_dir() and not leftover(entry.name) for entry in folder.iterdir())
    return not folders and not find_manifests(folder).forms and not any(folder.glob("*.tar"))


def data_channels(directory: Path) -> dict[str, Path]:
    """Find the channels in a data folder: its splits, or the folder itself as train if it holds a manifest.

    Raises:
        DataError: As for `find_splits`, or the manifest cannot be used.
    """
    return find_splits(directory) or ({"train": directory} if read_manifest(directory).manifest else {})


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


def classes_of(split: Path) -> tuple[ImageFolder | Manifest, tuple[str, ...]]:
    """Read the manifest of a split, or list its class folders if it has none.

    Returns:
        Either, and a sentence for each file that could be a manifest and is none.

    Raises:
        DataError: There is neither, the manifest cannot be used, or two class folders have the same name in different
            Unicode forms.
    """
    looked = read_manifest(split)
    if looked.manifest is not None:
        return looked.manifest, looked.others
    found = list_image_folder(split)
    if not found.classes and any(path.suffix.lower() == ".tar" for path in found.files):
        raise DataError(
            f"{printable(split)} holds tar shards, which training reads and this command does not; unpack them into "
            "one folder for each class"
        )
    if not found.classes:
        problems = "".join(f". {reason}" for reason in [*looked.others, *found.unreadable.values()][:3])
        raise DataError(
            f"{printable(split)} has no class folders; pictures go into one folder for each class: "
            f"{printable(split)}/<class>/<picture>, for example {printable(split)}/cat/001.jpg; or a manifest with the "
            f"header file,label names them{problems}"
        )
    return found, looked.others


def files_below(folder: Path) -> Iterator[Path]:
    """Yield every file below a folder, by path; links are followed, leftovers of systems and tools are omitted."""
    yield from list_files(folder).files
