"""Finds the columns of a table, or the keys of a JSON object, that hold a picture's file and its label."""

from collections.abc import Mapping, Sequence
from typing import Any

from container.contract.errors import DataError

_OTHER_FILES = (
    *("filename", "file_name", "filepath", "file_path", "path", "picture", "image", "image_file", "image_path"),
    *("image_name", "img", "img_path", "img_name"),
)
_IDENTIFIERS = ("id", "image_id", "img_id")
_FILES = (("file",), ("source_ref",), _OTHER_FILES, _IDENTIFIERS)
"""Names of the file's column; a later group counts only where there is none of an earlier one."""
_LABELS = ("label", "class", "class_name", "category")
_METADATA = "-metadata"


def find_columns(names: Sequence[str], where: str) -> tuple[str, str] | None:
    """Find the columns of the file and of the label by their names.

    With the columns `file` and `label`, others do not count. A table of two columns may call the label anything, as
    Kaggle's `id,breed`.

    Args:
        names: All columns' names.
        where: The manifest's path, for messages.

    Returns:
        The names of the two columns; None if there is no such pair.

    Raises:
        DataError: Several columns may hold the file or the label.
    """
    names = [name for name in names if name.strip()]  # pandas writes its index without a name
    files = [name for name in names if any(_plain(name) in group for group in _FILES)]
    labels = [name for name in names if _plain(name) in _LABELS]
    if not labels and len(names) == 2:
        labels = [name for name in names if name not in files]
    if not files or not labels:
        return None
    fit = next(fit for group in _FILES if (fit := [name for name in files if _plain(name) in group]))
    return _only(fit, where), _only([name for name in labels if _plain(name) == "label"] or labels, where)


def find_keys(entry: Mapping[str, Any], where: str) -> tuple[str, str] | None:
    """Find the keys of the file and of the label in the first object of JSON Lines.

    A key K that comes with K-metadata is a label attribute of SageMaker Ground Truth.

    Returns:
        The two keys; None if there are none.

    Raises:
        DataError: Several keys may be the file or the label, or the label is not one class per picture.
    """
    attributes = {key.removesuffix(_METADATA): entry[key] for key in entry if key.endswith(_METADATA)}
    if not attributes:
        return find_columns(list(entry), where)
    found = find_columns(["label", *(key for key in entry if key.removesuffix(_METADATA) not in attributes)], where)
    if found is None:
        return None
    tasks = {name: str(about.get("type", "")) if isinstance(about, dict) else "" for name, about in attributes.items()}
    fit = [name for name, task in tasks.items() if not task or task.endswith("/image-classification")]
    if len(fit) != 1:
        given = ", ".join(f"{name} ({task})" if task else name for name, task in tasks.items())
        raise DataError(
            f"{where} has {len(fit) or 'no'} label attributes of image classification: {given}; keep the one to train "
            "on, with one class for each picture"
        )
    return found[0], fit[0]


def is_identifier(name: str) -> bool:
    """Whether a column's name, such as id, is also one for the rows of any other table."""
    return _plain(name) in _IDENTIFIERS


def _plain(name: str) -> str:
    return "_".join(name.casefold().replace("-", " ").replace("_", " ").split())


def _only(found: Sequence[str], where: str) -> str:
    if len(found) > 1:
        raise DataError(
            f"{where} has several columns that may be meant: {', '.join(found)}; call the file's column 'file' and the "
            "label's 'label'"
        )
    return found[0]
