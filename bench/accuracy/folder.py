"""Lays a folder of pictures out as all contenders read it: an ImageFolder for each of train, validation and test."""

import tempfile
from pathlib import Path

from container.contract.channels import SPLITS
from container.train.data.channels import complete_splits, list_splits


def lay_out(data: Path, target: Path) -> dict[str, int]:
    """Link the pictures into `target`, with the splits that a job of the same folder has.

    Args:
        data: Has `train`, and may have `validation` and `test`; or is itself an ImageFolder.
        target: Where to make a folder for each split.

    Returns:
        The number of pictures by split.

    Raises:
        DataError: There is no training split in the folder.
    """
    data = data.resolve()
    with tempfile.TemporaryDirectory(prefix="slipway-bench-") as channels:
        if not (data / "train").is_dir():
            (Path(channels) / "train").symlink_to(data)
        splits = complete_splits(list_splits(Path(channels) if any(Path(channels).iterdir()) else data), seed=0)
        for name in SPLITS:
            for number, sample in enumerate(getattr(splits, name)):
                folder = target / name / splits.classes[sample.target]
                folder.mkdir(parents=True, exist_ok=True)
                (folder / f"{number:06}{sample.path.suffix.lower()}").symlink_to(sample.path.resolve())
    return {name: len(getattr(splits, name)) for name in SPLITS}
