"""Checks the networks of several jobs on this machine before the first of them starts."""

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping

from container.contract.errors import HyperparameterError
from container.contract.hyperparameters import TrainConfig
from container.contract.networks import is_resnet
from slipway.errors import JobError
from slipway.processes.job import require_installed

_CHECK = "container.networks"
# What decides whether a network can be trained.
_NAMES = ("model-type", "recipe", "image-size", "drop-path")


def check_networks(jobs: Iterable[Mapping[str, object]]) -> None:
    """Check that timm has the networks, and that they take the pictures' sizes, in a process that imports timm.

    Args:
        jobs: Hyperparameters, from which a file of weights was taken out.

    Raises:
        HyperparameterError: A network cannot be trained so.
        JobError: timm is not installed, or the check failed.
    """
    wanted: list[dict[str, str]] = []
    for job in jobs:
        config = TrainConfig.from_strings(job)
        values = config.to_strings()
        needed = {name: values[name] for name in _NAMES}
        if not is_resnet(config.model_type) and needed not in wanted:
            wanted.append(needed)
    if not wanted:
        return
    require_installed("torch", "timm")
    done = subprocess.run([sys.executable, "-m", _CHECK], input=json.dumps(wanted), capture_output=True, text=True)
    lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
    if done.returncode == 1 and len(lines) == 1:
        raise HyperparameterError(lines[0])
    if done.returncode:
        raise JobError(f"the networks cannot be checked: {lines[-1]}")
