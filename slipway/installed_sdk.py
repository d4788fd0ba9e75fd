"""Which version of the SageMaker SDK is installed."""

from functools import cache
from typing import Literal

from slipway.errors import SettingError


@cache
def installed_sdk() -> Literal["sdk2", "sdk3"] | None:
    """Name the package with the classes for the SDK that is installed; None: there is none.

    Nothing is imported for it: that takes seconds.

    Raises:
        SettingError: Parts of both versions are installed, which overwrite each other.
    """
    # `pip install sagemaker` brings sagemaker-core with version 3, and Slipway needs no more than this; version 2
    # brought an early form of it.
    sdk, core = installed_version("sagemaker"), installed_version("sagemaker-core")
    second, third = (sdk or "").startswith("2."), bool(core) and not str(core).startswith("1.")
    if second and third:
        raise SettingError(
            f"parts of both versions of the SageMaker SDK are installed (sagemaker {sdk} and sagemaker-core {core}), "
            "which overwrite each other's files; remove both, and install one: pip uninstall sagemaker sagemaker-core "
            "sagemaker-train sagemaker-serve, then pip install 'slipway[sdk3]' or 'slipway[sdk2]'"
        )
    return "sdk2" if second else "sdk3" if third else None


def installed_version(package: str) -> str | None:
    """Version of an installed package; None if it is not installed."""
    # Only here: it takes longer to import than the rest of a command's help.
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return None
