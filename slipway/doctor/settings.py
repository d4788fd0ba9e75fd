"""Checks slipway.toml, and reads from it what the user has set up."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from slipway.doctor.finding import Finding
from slipway.errors import SettingsFileError
from slipway.settings.slipway_toml import FILE_NAME, read_file, settings_path


def check_settings(validate: Callable[[], object]) -> Iterator[Finding]:
    """Find slipway.toml, and whether the commands take it.

    Args:
        validate: Raises a SettingsFileError if the file has a key that no command has.
    """
    path = settings_path()
    if path is None:
        text, remedy = "none in this folder or above it", "slipway init writes one; options and variables also work"
        yield Finding(name=FILE_NAME, status="absent", text=text, remedy=remedy)
        return
    try:
        validate()
    except SettingsFileError as error:
        yield Finding(name=FILE_NAME, status="failed", text=str(error), remedy=f"edit {path}")
        return
    yield Finding(name=FILE_NAME, status="ok", text=_relative(path))


USES = {"train": "training", "tune": "training", "compare": "training", "deploy": "endpoint", "transform": "transform"}
"""What each command's instances are used for, as the quotas name it."""


def instance_types() -> dict[tuple[str, str], None]:
    """The instance types that slipway.toml names, each with its use, in order; local ones omitted."""
    try:
        content = read_file()
    except SettingsFileError:
        return {}
    found: dict[tuple[str, str], None] = {}
    for command, use in USES.items():
        table = content.get(command)
        named: Any = table.get("instance-type") if isinstance(table, Mapping) else None
        if isinstance(named, str) and named.startswith("ml."):
            spot = use == "training" and isinstance(table, Mapping) and table.get("spot") is True
            found[named, "spot training" if spot else use] = None
    return found


def _relative(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
