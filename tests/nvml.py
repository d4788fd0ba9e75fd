"""NVIDIA's management library on machines without a GPU: nvml_stub.c, compiled."""

import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_name("nvml_stub.c")

OLD_DRIVER = {"SLIPWAY_STUB_DRIVER": "470.57.02", "SLIPWAY_STUB_CUDA": "11040"}
"""What a SageMaker endpoint's host may have by default."""


def build_nvml_stub(directory: Path) -> Path:
    """Compile it into `directory`, as libnvidia-ml.so.1.

    Returns:
        The directory, for LD_LIBRARY_PATH (not needed in a process that has loaded the library already); what the
        library answers is set by the variables in nvml_stub.c.
    """
    library = directory / "libnvidia-ml.so.1"
    options = ["-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", f"-Wl,-soname,{library.name}"]
    subprocess.run(["cc", *options, "-o", library, SOURCE], check=True)
    return directory
