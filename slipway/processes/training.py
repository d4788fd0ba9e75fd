"""Runs a training job on this machine: the training image's launcher, on a job directory."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from container.contract.errors import UserError
from container.contract.hyperparameters import TrainConfig
from container.contract.metric_lines import EvaluationLine, TrainLine, read_line
from slipway.errors import JobFailedError, StoppedError
from slipway.files.archive import holds_model, pack_model
from slipway.processes.job import JobDirectory
from slipway.processes.process import child_process
from slipway.terminal.training_view import training_view

LAUNCHER = "container.train.launcher"

Watch = Callable[[TrainLine | EvaluationLine], bool]
"""Called with every metric line; returning True stops the job, which keeps its best model so far."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The result of a job that did not fail."""

    test: EvaluationLine | None
    """The test's result; None if the job was stopped before its test."""
    stopped_by: int | None
    """The signal that stopped the job."""
    ended_by_watch: bool = False


def run_job(
    job: JobDirectory,
    channels: Mapping[str, Path],
    *,
    verbose: bool,
    quiet: bool = False,
    watch: Watch | None = None,
    pack: bool = True,
) -> Outcome:
    """Train to the end, or until a signal arrives, and pack the model.

    Args:
        job: From `open_job`.
        channels: The user's folders, to name in messages instead of the links to them.
        verbose: Show the job's full output, not only metrics and notes.
        quiet: Show no lines; on a terminal, only a bar.
        watch: Callback that can stop the job.
        pack: Pack the model when the job has ended.

    Raises:
        StoppedError: A signal arrived before there was a model.
        JobFailedError: The job failed; the message is its failure file's, and names the log. An earlier job's
            hyperparameters are restored, so that rejected values do not stay.
        ArchiveError: The model could not be packed.
    """
    try:
        outcome = _train(job, channels, watch, verbose=verbose, quiet=quiet)
    except UserError:
        job.restore_hyperparameters()
        raise
    if pack:
        pack_model(job.layout.model, job.archive)
    return outcome


def _train(
    job: JobDirectory, channels: Mapping[str, Path], watch: Watch | None, *, verbose: bool, quiet: bool
) -> Outcome:
    config = TrainConfig.from_strings(job.hyperparameters())
    environment = {
        **os.environ,
        "SAGEMAKER_BASE_DIR": str(job.path.resolve()),
        "TRAINING_JOB_NAME": job.path.resolve().name,
    }
    test: EvaluationLine | None = None
    ended_by_watch = False
    with (
        job.locked_log() as log,
        child_process(
            [sys.executable, "-m", LAUNCHER],
            environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if verbose else log,
        ) as child,
        training_view(config.epochs, verbose=verbose, quiet=quiet) as view,
    ):
        for line in child.stdout:
            log.write(line)
            log.flush()
            view.show(line.rstrip("\n"))
            metric = read_line(line)
            if isinstance(metric, EvaluationLine) and metric.phase == "TEST":
                test = metric
            # Only once: a second SIGTERM would end the job at once, without a checkpoint.
            if metric and watch and not ended_by_watch and watch(metric):
                ended_by_watch = True
                child.process.terminate()
        code = child.wait()
        stopped_by = child.received[0] if child.received and test is None else None
    asked_to_end = stopped_by is not None or ended_by_watch
    if (code == 0 or asked_to_end) and holds_model(job.layout.model):
        return Outcome(test=test, stopped_by=stopped_by, ended_by_watch=ended_by_watch)
    if stopped_by is not None:
        name = signal.Signals(stopped_by).name
        raise StoppedError(f"stopped by {name} before there was a model to keep; the log is {job.log}", stopped_by)
    raise JobFailedError(_failure(job, channels, code))


def _failure(job: JobDirectory, channels: Mapping[str, Path], code: int) -> str:
    if code == 0:
        return f"training succeeded but left no model in {job.layout.model}; the log is {job.log}"
    try:
        reason = job.layout.failure.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        reason = "it left no reason"
    base = JobDirectory(job.path.resolve()).layout.channels
    for name, source in channels.items():
        reason = reason.replace(str(base / name), str(source))
    return f"training failed (exit code {code}): {reason.partition(chr(10) * 2)[0]}\nThe whole log is {job.log}"
