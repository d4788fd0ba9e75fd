"""slipway.toml: settings that a user would otherwise repeat with every command.

Arguments override environment variables, which override the file. The file is the nearest slipway.toml in the working
directory or above it, or the one that SLIPWAY_CONFIG names.

    region = "eu-central-1"              # for every command, and for the Python interface
    role = "arn:aws:iam::111122223333:role/slipway-execution"
    bucket = "my-dogs"

    [train]                              # options of `slipway train`, hyperparameters included
    instance-type = "ml.g4dn.xlarge"
    epochs = 16
"""

import dataclasses
import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from slipway.errors import SettingsFileError

FILE_NAME = "slipway.toml"
FILE_VARIABLE = "SLIPWAY_CONFIG"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings for all commands and classes; None for those in neither the environment nor the file."""

    region: str | None = None
    """AWS region; None: that of AWS_REGION or the profile."""
    profile: str | None = None
    """Name of a profile in ~/.aws/config."""
    role: str | None = None
    """ARN of the execution role of jobs and endpoints (docs/iam.md)."""
    bucket: str | None = None
    """Name of the bucket for data (dogImages/) and outputs (jobs/)."""
    train_image: str | None = None
    """Address or tag of the training image; None: the one that push.sh pushed last."""
    serve_image: str | None = None
    """Address or tag of the serving image; None: the one that push.sh pushed last."""

    @classmethod
    def read(cls) -> Self:
        """Read the environment (SLIPWAY_REGION, SLIPWAY_ROLE, …) and the file.

        Raises:
            SettingsFileError: The file is damaged.
        """
        content = read_file()
        found = {
            name: os.environ.get(f"SLIPWAY_{name.upper()}") or content.get(name.replace("_", "-"))
            for name in (field.name for field in dataclasses.fields(cls))
        }
        for name, value in found.items():
            if value is not None and not isinstance(value, str):
                raise SettingsFileError(
                    f"{settings_path()}: {name.replace('_', '-')} is {value!r}; it must be text in quotes"
                )
        return cls(**found)


def read_file() -> Mapping[str, Any]:
    """Read the file; empty if there is none.

    Raises:
        SettingsFileError: The file cannot be read, or is not TOML.
    """
    path = settings_path()
    if path is None:
        return {}
    import tomllib  # only here: most users have no such file

    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsFileError(f"{path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsFileError(f"{path} is not TOML: {error}") from error


def settings_path() -> Path | None:
    """Path of the file, which may be missing if SLIPWAY_CONFIG names it; None if there is none."""
    if named := os.environ.get(FILE_VARIABLE):
        return Path(named)
    here = Path.cwd()
    return next((path for folder in (here, *here.parents) if (path := folder / FILE_NAME).is_file()), None)


def unknown(name: str, known: list[str], what: str) -> SettingsFileError:
    """Build the error for an unknown key or table."""
    near = difflib.get_close_matches(name.replace("_", "-").lower(), known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else f"known are: {', '.join(known)}"
    return SettingsFileError(f"{settings_path()}: there is no {what} {name}; {hint}")
