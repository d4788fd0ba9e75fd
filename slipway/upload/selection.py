"""Selects the files to send: of a channel with a manifest, the manifest and the files that it names."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from container.manifest import read_manifest
from slipway.datasets.folder import find_splits
from slipway.upload.walk import MAX_KEY_BYTES, LocalFile, Unsent, walk


def files_to_send(
    directory: Path, leftovers: Counter[str], unnamed: list[Path], room_bytes: int = MAX_KEY_BYTES
) -> Iterator[LocalFile | Unsent]:
    """Yield the files to send, as `walk` does.

    Args:
        directory: The data folder, or a channel's.
        leftovers: Counts the skipped leftovers of systems and tools by name.
        unnamed: Receives the skipped files that a manifest does not name.
        room_bytes: As for `walk`.

    Raises:
        DataError: There is no such folder, or a manifest cannot be used or names absent files.
    """
    named: dict[Path, set[Path]] = {}
    for folder in find_splits(directory).values() or [directory]:
        manifest = read_manifest(folder).manifest
        if manifest is not None:
            manifest.require_files()
            named[folder] = {manifest.path, *manifest.labels}
    for item in walk(directory, room_bytes, leftovers):
        if isinstance(item, LocalFile) and any(
            item.path.is_relative_to(folder) and item.path not in files for folder, files in named.items()
        ):
            unnamed.append(item.path)
        else:
            yield item
