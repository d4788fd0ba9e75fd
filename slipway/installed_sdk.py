"""Which version of the SageMaker SDK is installed."""

import re
from functools import cache
from typing import Any, Literal

from slipway.errors import SettingError

Package = Literal["sdk2", "sdk3"]

_VERSIONS = {"sdk2": "version 2", "sdk3": "version 3"}
_LEAST_OF_VERSION_2 = (2, 257)
_ALL = "sagemaker sagemaker-core sagemaker-train sagemaker-serve sagemaker-mlops"
_REMEDY = f"pip uninstall {_ALL}, then pip install 'slipway[sdk3]' or 'slipway[sdk2]', or neither: Slipway needs none"
_OF_VERSION_3 = {"trainer", "to_trainer", "tuner", "to_tuner", "resource"}


@cache
def installed_sdk() -> Package | None:
    """Name the package with the classes for the SDK that is installed; None: there is none.

    Nothing is imported for it: that takes seconds.

    Raises:
        SettingError: Parts of both versions are installed, or half of one, or a version that is neither.
    """
    # `pip install sagemaker` brings sagemaker-core and sagemaker-train with version 3, and Slipway needs no more than
    # these; version 2 brought an early form of sagemaker-core, and takes that of version 3 for its own.
    sdk, core, train = map(installed_version, ("sagemaker", "sagemaker-core", "sagemaker-train"))
    old, new = _numbers(sdk), _numbers(core)
    if new[:1] <= (1,):
        core = None
    if old[:1] == (2,) and (core or train):
        raise SettingError(
            f"parts of both versions of the SageMaker SDK are installed (sagemaker {sdk} and "
            f"{f'sagemaker-core {core}' if core else f'sagemaker-train {train}'}), which overwrite each other's files; "
            f"remove both, and install one: {_REMEDY}"
        )
    if (sdk and not (2,) <= old < (4,)) or (core and new >= (3,)) or (2,) <= old < _LEAST_OF_VERSION_2:
        found = f"sagemaker {sdk}" if sdk else f"sagemaker-core {core}"
        raise SettingError(
            f"{found} is installed, and Slipway's classes are for version 2 of the SageMaker SDK, from 2.257, or "
            f"version 3; {_REMEDY}"
        )
    if old[:1] == (2,):
        return "sdk2"
    parts = {"sagemaker-core": core, "sagemaker-train": train}
    missing = [name for name, version in parts.items() if not version]
    if missing and (sdk or train or core):
        there = ", ".join(f"{name} {version}" for name, version in {"sagemaker": sdk, **parts}.items() if version)
        raise SettingError(
            f"version 3 of the SageMaker SDK is half installed: {there} without {' and '.join(missing)}; pip install "
            f"'slipway[sdk3]' completes it, or remove it: pip uninstall {_ALL}"
        )
    return None if missing else "sdk3"


def require_sdk(package: Package, asked: str) -> None:
    """Check that a version of the SDK is installed.

    Args:
        package: The package of Slipway's with the classes for that version.
        asked: What is asked for.

    Raises:
        ImportError: Another version is installed, or none.
        SettingError: As for `installed_sdk`.
    """
    found = installed_sdk()
    if found != package:
        raise ImportError(_missing(package, asked, found))


class OnVersion3:
    """Says of what only the classes for version 3 of the SDK have what it takes to have it."""

    def __getattr__(self, name: str) -> Any:
        asked = f"{type(self).__name__}.{name}"
        if name in _OF_VERSION_3:
            raise AttributeError(_missing("sdk3", asked, installed_sdk()))
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


def _missing(package: Package, asked: str, found: Package | None) -> str:
    wanted, there = _VERSIONS[package], f"{_VERSIONS[found]} is" if found else "none is"
    how = f"pip install 'slipway[{package}]'"
    if found:
        how = f"the two cannot be installed together: pip uninstall {_ALL}, then {how}"
    return (
        f"{asked} needs {wanted} of the SageMaker SDK, and {there} installed; {how}. The commands and Slipway's "
        "own classes need no SDK"
    )


def installed_version(package: str) -> str | None:
    """Version of an installed package; None if it is not installed."""
    # Only here: it takes longer to import than the rest of a command's help.
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _numbers(version: str | None) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version or "")[:2]))
