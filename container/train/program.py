"""The training program: `python -m container.train.program`, run by the toolkit, torchrun or by hand.

It reads the job from the directories of the training contract and ignores its arguments: the toolkit passes
hyperparameters there too, but loses their types. If the job has several hosts or GPUs, it starts itself once for each
through torchrun.
"""

import io
import json
import logging
import os
import sys
import time
import traceback
from dataclasses import replace
from pathlib import Path

from container import gpu
from container.contract.errors import DataError, HyperparameterError, UserError
from container.contract.hyperparameters import TrainConfig
from container.contract.paths import MlPaths
from container.imports import uncollected
from container.train.data.channels import check_batch_size, complete_splits, list_splits
from container.train.launch.cause import find_exception
from container.train.launch.failure import LOST_PEER, compose, write_failure
from container.train.launch.hosts import Rank, read_hosts
from container.train.launch.stopping import Interrupted, Stop
from container.train.loop.compiler import check_compiler
from container.train.records.saving import check_writable

logger = logging.getLogger("train")


def main() -> int:
    """Train; returns the exit code. The failure file describes a failure, cause first."""
    place = Rank.from_environment()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a path that is not UTF-8 must not lose the line
    # Only the first process logs what all of them would.
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
            code = _fail(paths, compose(*(find_exception(detail) or (repr(error), detail))), detail)
    if place and code:
        # Shutting the process group down could wait for a process that is gone.
        sys.stdout.flush()
        os._exit(code)
    return code


def run(paths: MlPaths, stop: Stop, place: Rank | None = None) -> int:
    """Read the job and train it.

    Args:
        paths: The job's directories.
        stop: Whether it was asked to end.
        place: This process's rank; None if torchrun did not start it.

    Returns:
        The exit code: 0, also after SIGTERM if there is a model, else 143; with several processes also that of a
        process that failed.

    Raises:
        UserError: Something that the user can fix.
        Interrupted: SIGTERM came before there was anything to save.
    """
    given = read_hyperparameters(paths.config / "hyperparameters.json")
    config = TrainConfig.from_strings(given)
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
    if "batch-size" in given:
        # Again once unreadable pictures are left out.
        check_batch_size(config.batch_size, splits)
    # Only now: torch takes seconds to import, and a misspelt hyperparameter should fail at once.
    if not place and max(1, gpus.count) * len(hosts.names) > 1:
        with uncollected():
            from container.train.launch.torchrun import run_processes
        return run_processes(hosts, max(1, gpus.count), paths.failure, stop)
    with uncollected():
        from container.train.launch.distributed import joined
        from container.train.loop.train_model import train_model

    with joined(place, on_gpu=gpus.count > 0) as world:
        try:
            train_model(config, splits, paths, stop, world, may_lower_batch_size="batch-size" not in given)
        except Interrupted:
            return world.share(0 if (paths.model / "model.json").exists() else 143)
    return 0


def read_hyperparameters(path: Path) -> dict[str, object]:
    """Read the job's `hyperparameters.json`: names to strings. A job without the file has none.

    Raises:
        HyperparameterError: It is not a JSON object.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise HyperparameterError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(values, dict):
        raise HyperparameterError(f"{path} is not a JSON object of names and values")
    return values


def own_message(error: UserError) -> str:
    """Extract our message from the traceback that torch makes of a DataLoader worker's error: the last line of it is
    `module.Class: message`."""
    text = str(error)
    return text.strip().splitlines()[-1].partition(": ")[2] if "Original Traceback" in text else text


def _is_elsewhere(error: Exception, stop: Stop) -> bool:
    """Whether another process's death brought this one down; if so, report to torchrun what was seen of it."""
    from container.train.launch.distributed import is_lost_peer

    # torchrun ends the remaining processes of a host, and their DataLoader workers, by SIGTERM.
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
