"""The training program: `python -m container.train.program`, run by the toolkit, torchrun or by hand.

It reads the job from the directories of the training contract and its arguments not at all: the toolkit passes
hyperparameters there too, but loses their types on the way. Where the job has several hosts or GPUs, it starts itself
once for each through torchrun.
"""

import json
import logging
import os
import sys
import time
import traceback
from dataclasses import replace
from pathlib import Path

from container import gpu
from container.cpus import SPIN
from container.errors import DataError, HyperparameterError, UserError
from container.paths import MlPaths
from container.train.channels import complete_splits, list_splits
from container.train.compiler import check_compiler
from container.train.failure import LOST_PEER, compose, write_failure
from container.train.hosts import Rank, read_hosts
from container.train.hyperparameters import TrainConfig
from container.train.saving import check_writable
from container.train.stopping import Interrupted, Stop

logger = logging.getLogger("train")


def main() -> int:
    """Train; returns the exit code. Failures are in the failure file, cause first."""
    place = Rank.from_environment()
    # What several processes would all say is said by the first.
    level = logging.ERROR if place and place.rank > 0 else logging.INFO
    logging.basicConfig(level=level, format="%(message)s", stream=sys.stdout)
    paths = MlPaths.from_environment()
    stop = Stop()
    stop.install()
    try:
        code = run(paths, stop, place)
    except Interrupted:
        code = 143
    except UserError as error:
        message = own_message(error)
        code = _fail(paths, compose(message), message)
    except Exception as error:  # noqa: BLE001 - the edge of the process: everything must reach the failure file
        if place and _is_elsewhere(error, stop):
            code = LOST_PEER
        else:
            detail = traceback.format_exc()
            code = _fail(paths, compose(f"{type(error).__name__}: {error}", detail), detail)
    if place and code:
        # Taking down what connects it to the other processes could wait for one that is gone.
        sys.stdout.flush()
        os._exit(code)
    return code


def run(paths: MlPaths, stop: Stop, place: Rank | None = None) -> int:
    """Everything between the hyperparameters and the model directory.

    Args:
        paths: The job's.
        stop: Whether it was asked to end.
        place: This process's among those that torchrun started; None where it did not.

    Returns:
        The exit code: 0, also after SIGTERM where there is a model, else 143; with several processes also another
        one's that failed.

    Raises:
        UserError: Something that the user can mend.
        Interrupted: SIGTERM came before there was anything to save.
    """
    config = TrainConfig.from_strings(read_hyperparameters(paths.config / "hyperparameters.json"))
    off_by = "" if config.use_cuda else "use-cuda"
    if not gpu.is_wanted():
        config, off_by = replace(config, use_cuda=False), gpu.SWITCH
    check_writable("model", paths.model)
    check_writable("output", paths.output_data)
    gpus = gpu.look(off_by=off_by)
    if not place:
        logger.info("GPU: %s", gpus.text)
    if config.compile:
        check_compiler(on_gpu=gpus.count > 0)
    hosts = read_hosts(paths.config)
    try:
        splits = complete_splits(list_splits(paths.channels), config.seed)
    except DataError as error:
        if hosts.others:
            raise DataError(
                f"{error}. With several instances each needs the whole of every channel: S3 data distribution type "
                "FullyReplicated"
            ) from error
        raise
    os.environ.setdefault(*SPIN)
    # Only now: torch takes seconds to import, and a misspelt hyperparameter should not.
    if not place and max(1, gpus.count) * len(hosts.names) > 1:
        from container.train.torchrun import run_processes

        return run_processes(hosts, max(1, gpus.count), paths.failure, stop)
    from container.train.distributed import joined
    from container.train.job import train_model

    with joined(place, on_gpu=gpus.count > 0) as world:
        try:
            train_model(config, splits, paths, stop, world)
        except Interrupted:
            return world.share(0 if (paths.model / "model.json").exists() else 143)
    return 0


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


def _is_elsewhere(error: Exception, stop: Stop) -> bool:
    """Whether another process's end brought this one down; if so, torchrun is told what was seen of it."""
    from container.train.distributed import is_lost_peer

    # torchrun ends what is left of a host's processes, and those that read pictures for them, by SIGTERM.
    if not is_lost_peer(error) and not (stop.requested and isinstance(error, RuntimeError)):
        return False
    seen = f"{type(error).__name__}: {error}"
    logger.error("train: %s", seen)
    report = os.environ.get("TORCHELASTIC_ERROR_FILE")
    if report:
        Path(report).write_text(json.dumps({"message": seen, "timestamp": int(time.time())}))
    return True


def _fail(paths: MlPaths, failure: str, log: str) -> int:
    logger.error("train: %s", log.strip())
    try:
        write_failure(paths.failure, failure)
    except OSError as error:
        logger.error("train: the failure file cannot be written: %s", error)
    return 1


if __name__ == "__main__":
    sys.exit(main())
