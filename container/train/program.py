"""The training program: `python -m container.train.program`, run by the toolkit, torchrun or by hand.

It reads the job from the directories of the training contract and its arguments not at all: the toolkit passes
hyperparameters there too, but loses their types on the way.
"""

import json
import logging
import os
import sys
import traceback
from dataclasses import replace
from pathlib import Path

from container import gpu
from container.errors import HyperparameterError, UserError
from container.paths import MlPaths
from container.train.channels import complete_splits, list_splits
from container.train.compiler import check_compiler
from container.train.failure import compose, write_failure
from container.train.hyperparameters import TrainConfig
from container.train.saving import check_writable
from container.train.stopping import Interrupted, Stop

logger = logging.getLogger("train")


def main() -> int:
    """Train; returns the exit code. Failures are in the failure file, cause first."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    paths = MlPaths.from_environment()
    stop = Stop()
    stop.install()
    try:
        run(paths, stop)
    except Interrupted:
        return 0 if (paths.model / "model.json").exists() else 143
    except UserError as error:
        message = own_message(error)
        return _fail(paths, compose(message), message)
    except Exception as error:  # noqa: BLE001 - the edge of the process: everything must reach the failure file
        detail = traceback.format_exc()
        return _fail(paths, compose(f"{type(error).__name__}: {error}", detail), detail)
    return 0


def run(paths: MlPaths, stop: Stop) -> None:
    """Everything between the hyperparameters and the model directory.

    Raises:
        UserError: Something that the user can mend.
        Interrupted: SIGTERM came; what could be saved is saved.
    """
    config = TrainConfig.from_strings(read_hyperparameters(paths.config / "hyperparameters.json"))
    off_by = "" if config.use_cuda else "use-cuda"
    if not gpu.is_wanted():
        config, off_by = replace(config, use_cuda=False), gpu.SWITCH
    check_writable("model", paths.model)
    check_writable("output", paths.output_data)
    gpus = gpu.look(off_by=off_by)
    logger.info("GPU: %s", gpus.text)
    if config.compile:
        check_compiler(on_gpu=gpus.count > 0)
    splits = complete_splits(list_splits(paths.channels), config.seed)
    # Threads that spin while they wait would take the CPUs from the processes that read pictures.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # Only now: torch takes seconds to import, and a misspelt hyperparameter should not.
    from container.train.job import train_model

    train_model(config, splits, paths, stop)


def read_hyperparameters(path: Path) -> dict[str, object]:
    """Read the job's `hyperparameters.json`: names to strings. A job without the file has none.

    Raises:
        HyperparameterError: It is not a JSON object.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise HyperparameterError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(values, dict):
        raise HyperparameterError(f"{path} is not a JSON object of names and values")
    return values


def own_message(error: UserError) -> str:
    """torch wraps what a reading process raises into its traceback, whose last line is `module.Class: message`."""
    text = str(error)
    return text.strip().splitlines()[-1].partition(": ")[2] if "Original Traceback" in text else text


def _fail(paths: MlPaths, failure: str, log: str) -> int:
    logger.error("train: %s", log.strip())
    try:
        write_failure(paths.failure, failure)
    except OSError as error:
        logger.error("train: the failure file cannot be written: %s", error)
    return 1


if __name__ == "__main__":
    sys.exit(main())
