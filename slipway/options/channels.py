"""The channels of a job on this machine, from a command's arguments."""

from collections.abc import Mapping
from pathlib import Path

import click

from container.contract.errors import DataError
from container.contract.hyperparameters import HYPERPARAMETERS
from container.manifest import find_manifests
from slipway.datasets.folder import data_channels, holds_only_files, require_folder

_WEIGHTS = "weights"
_KEYWORDS = next(row.choices for row in HYPERPARAMETERS if row.name == _WEIGHTS)


def local_channels(data_dir: Path | None, named: Mapping[str, Path | None], weights: Path | None) -> dict[str, Path]:
    """The folder of each channel, from the data folder and the options; the options win."""
    channels = data_channels(data_dir) if data_dir else {}
    for name, path in named.items():
        if path is not None:
            require_folder(path)
            channels[name] = path
    if "train" not in channels:
        if data_dir is None:
            raise click.UsageError("Name the data: DATA with a train folder in it, or --train DIR.")
        found = sorted(path.name for path in data_dir.iterdir() if path.is_dir())
        raise DataError(
            f"there is no train folder in {data_dir}; its folders are: {', '.join(found[:8]) or 'none'}. "
            f"If they are the classes themselves, use --train {data_dir}{_tables(data_dir)}"
        )
    if data_dir and channels["train"].parent == data_dir and holds_only_files(channels["train"]):
        raise DataError(f"{channels['train']} has neither class folders nor a manifest{_tables(data_dir)}")
    if weights is not None:
        channels[_WEIGHTS] = weights
    return channels


def _tables(data_dir: Path) -> str:
    return "".join(f"; {text}" for text in find_manifests(data_dir).others)


def weights_file(given: dict[str, str]) -> Path | None:
    """Take `--weights FILE` out of the hyperparameters: a file or folder becomes a channel, a keyword stays a
    hyperparameter."""
    text = given.get(_WEIGHTS, "")
    if text in ("", *_KEYWORDS):
        return None
    path = Path(text)
    if not path.exists():
        raise DataError(
            f"--weights is {text}, and there is no such file; it is a file or folder of weights, or "
            f"{' or '.join(_KEYWORDS)}"
        )
    del given[_WEIGHTS]
    return path


def weights_channel(given: dict[str, str]) -> dict[str, str]:
    """Take `--weights` out of the hyperparameters of a job in an image if it is an S3 address, a file or a folder.

    Returns:
        The weights channel, or nothing.
    """
    text = given.get(_WEIGHTS, "")
    if not text or not (text.startswith("s3://") or Path(text).exists()):
        return {}
    return {_WEIGHTS: given.pop(_WEIGHTS)}


def without_weights_file(given: Mapping[str, str]) -> dict[str, str]:
    """Omit `--weights FILE` from the hyperparameters: a file is a channel."""
    return {name: text for name, text in given.items() if name != _WEIGHTS or text in _KEYWORDS}
