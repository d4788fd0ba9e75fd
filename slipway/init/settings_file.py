"""Writes slipway.toml, or adds missing keys to it; what it says already is never changed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from slipway.errors import SettingsFileError
from slipway.settings.slipway_toml import FILE_NAME, read_file, settings_path

_HEAD = "# Settings of every slipway command, and defaults of single ones; see docs/sagemaker.md.\n"
_TAIL = '\n# [train]\n# instance-type = "ml.g4dn.xlarge"\n'


@dataclass(frozen=True, kw_only=True)
class SettingsFile:
    """The file as it is, and what is missing in it."""

    path: Path
    text: str | None
    """Content of the file; None if there is none yet."""
    missing: Mapping[str, str]
    """Keys to add, with their values."""
    differing: Mapping[str, str]
    """Keys that have another value than the one wanted, with the value they have."""

    @classmethod
    def plan(cls, wanted: Mapping[str, str]) -> Self:
        """Compare the nearest slipway.toml with the keys that it shall have.

        Raises:
            SettingsFileError: The file cannot be read, or is not TOML.
        """
        path = settings_path()
        if path is None or not path.exists():
            return cls(path=path or Path(FILE_NAME), text=None, missing=wanted, differing={})
        there = read_file()
        return cls(
            path=path,
            text=path.read_text(encoding="utf-8"),
            missing={name: value for name, value in wanted.items() if name not in there},
            differing={
                name: str(there[name]) for name, value in wanted.items() if name in there and there[name] != value
            },
        )

    @property
    def new_text(self) -> str:
        """The content to write. Missing keys come first, since below a table they would belong to it."""
        # A JSON string of printable characters is a TOML string.
        lines = "".join(f"{name} = {json.dumps(value)}\n" for name, value in self.missing.items())
        return f"{_HEAD}{lines}{_TAIL}" if self.text is None else lines + self.text

    def write(self) -> None:
        """Write the file.

        Raises:
            SettingsFileError: It cannot be written.
        """
        try:
            self.path.write_text(self.new_text, encoding="utf-8")
        except OSError as error:
            raise SettingsFileError(f"{self.path} cannot be written: {error.strerror}") from error
