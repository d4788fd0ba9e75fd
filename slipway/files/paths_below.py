"""Joins names from buckets and archives to a folder, which they must not leave on any system."""

from pathlib import PurePath, PurePosixPath
from typing import TypeVar

P = TypeVar("P", bound=PurePath)


def path_below(folder: P, name: str) -> P | None:
    """Return the path of a name with slashes below a folder.

    Args:
        folder: The folder, of the system's kind of path.
        name: Such as train/cat/1.png. On Windows, backslashes and drives in it also count, as its paths do.

    Returns:
        The path; None if it would be outside the folder, or the folder itself.
    """
    path = folder.joinpath(*PurePosixPath(name).parts)
    inside = path.parts[len(folder.parts) :]
    return path if inside and path.is_relative_to(folder) and ".." not in inside else None
