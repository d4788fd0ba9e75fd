"""A check for the compiler that torch.compile calls, which would otherwise fail only at the first step."""

import importlib.util
import os
import shutil
import sysconfig
from pathlib import Path

from container.contract.errors import HyperparameterError


def check_compiler(*, on_gpu: bool) -> None:
    """Look for a compiler and what it includes: Triton's C for a GPU, TorchInductor's C++ for a CPU.

    Raises:
        HyperparameterError: Something is missing.
    """
    missing = []
    if on_gpu:
        if importlib.util.find_spec("triton") is None:
            missing.append("the Python package triton")
        # As in triton/runtime/build.py.
        names, what = [os.environ.get("CC")] if os.environ.get("CC") else ["gcc", "clang"], "a C compiler"
    else:
        # As in torch/_inductor/config.py.
        names, what = [os.environ.get("CXX", "g++")], "a C++ compiler"
        torch = importlib.util.find_spec("torch")
        if torch and torch.origin and not (Path(torch.origin).parent / "include").is_dir():
            missing.append("torch's headers")
    if not any(shutil.which(name) for name in names if name):
        missing.append(f"{what} ({' or '.join(filter(None, names))})")
    if not (Path(sysconfig.get_path("include")) / "Python.h").is_file():
        missing.append("Python's headers")
    if missing:
        raise HyperparameterError(
            f"hyperparameter compile is true, but torch.compile on a {'GPU' if on_gpu else 'CPU'} needs "
            f"{' and '.join(missing)}, not found here: build the image with ./build.sh --compiler, or set compile to "
            "false"
        )
