"""The environment variables of the server's parts."""

import os
from collections.abc import Mapping
from pathlib import Path

from container.serve.protocol.state import RUN_DIR_VARIABLE, SUPERVISOR_VARIABLE
from container.serve.settings.config import ServeConfig
from container.serve.settings.variables import BASE_DIR

SPIN = ("GOMP_SPINCOUNT", "1000")
"""libgomp's variable (torch's OpenMP), and its value unless the user sets one: how long a waiting thread spins before
it sleeps. Front, Java and decoding share the CPUs with the network's threads, from which libgomp's default takes them
for longer."""


def environment_of_parts(config: ServeConfig, run_dir: Path, *, threads: int) -> dict[str, str]:
    """The environment of the front, Java and its workers."""
    package_root = str(Path(__file__).parents[3])
    python_path = os.pathsep.join(filter(None, [package_root, os.environ.get("PYTHONPATH")]))
    return {
        # Without this, multi-model-server gives a worker one thread.
        "OMP_NUM_THREADS": str(threads),
        SPIN[0]: SPIN[1],
        **os.environ,
        "PYTHONPATH": python_path,
        "PATH": search_path(),
        "PYTHONUNBUFFERED": "1",
        # torch and the user's code leave files there, which are removed with the run directory.
        "TMPDIR": str(run_dir),
        # For the user's code, which looks for GPUs through torch.
        **({} if config.use_cuda else {"CUDA_VISIBLE_DEVICES": ""}),
        BASE_DIR.names[0]: str(config.model_dir.parent),
        RUN_DIR_VARIABLE: str(run_dir),
        SUPERVISOR_VARIABLE: str(os.getpid()),
    }


def with_packages(packages: Path | None, environment: Mapping[str, str]) -> dict[str, str]:
    """PYTHONPATH with another folder after the server's own code."""
    own, *others = environment["PYTHONPATH"].split(os.pathsep)
    return {"PYTHONPATH": os.pathsep.join([own, *([str(packages)] if packages else []), *others])}


def search_path() -> str:
    """PATH, with the folder where a host's driver is mounted: multi-model-server counts GPUs with nvidia-smi, and
    without it gives every worker the first one."""
    return os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/local/nvidia/bin"))
