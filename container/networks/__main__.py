"""Checks the networks of several jobs, for the host side, which imports neither torch nor timm.

It reads a list of jobs from standard input, each the JSON object of its hyperparameters. If a network cannot be trained
so, the reason is one line on standard error, and the exit code is 1.
"""

import json
import sys
from dataclasses import replace

from container.contract.errors import HyperparameterError
from container.contract.hyperparameters import TrainConfig
from container.imports import uncollected

with uncollected():
    from container.networks.check import check_job
    from container.networks.inputs import preprocessing_for


def main() -> int:
    """Check all jobs, and return the exit code."""
    try:
        for values in json.load(sys.stdin):
            config = TrainConfig.from_strings(values)
            size = preprocessing_for(config.model_type, config.image_size).size
            check_job(replace(config, image_size=size))
    except HyperparameterError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
