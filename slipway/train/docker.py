"""`slipway train --instance-type local`: runs the job in the image, in Docker on this machine."""

import re
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from slipway.options.exit_codes import ExitCode
from slipway.options.local_mode import NOT_FOR_TRAINING, DockerJobs, named_now, new_directory, refuse_given
from slipway.options.result import Result
from slipway.terminal.console import say
from slipway.terminal.job_log import JobLog

_JOBS = Path("slipway-jobs")
_HOST = re.compile(r"^algo-\d+ \| ")


def train_in_docker(
    options: Any,
    data: str | None,
    named: Mapping[str, str],
    hyperparameters: Mapping[str, str],
    job_dir: Path | None,
    log: JobLog,
    answer: Result,
    *,
    slug: str,
    verbose: bool,
) -> None:
    """Run a training job, and say where its outputs are; exits with 130 if Ctrl-C stopped it.

    Args:
        options: The command's SageMakerOptions.
        data: Folder or S3 address with a folder for each channel.
        named: Folders or addresses by channel; they override those below `data`.
        hyperparameters: Those of the job.
        job_dir: A new or empty folder for the outputs; None: slipway-jobs/JOB.
        log: Shows the log.
        answer: Keeps the result.
        slug: The network's name in that of the job.
        verbose: Show which host each line is from.

    Raises:
        UserError: As `slipway.local.train`, or an option is not for local mode.
    """
    refuse_given(NOT_FOR_TRAINING, "runs the job until it ends")
    name = options.name or named_now(f"slipway-{slug}")
    jobs = DockerJobs.planned(options, data, named, region=options.region, profile=options.aws_profile)
    directory = new_directory(job_dir or _JOBS / name, "--job-dir")
    say(f"Starting the job {name} in Docker")
    answer.add(job=name)

    def show(line: str) -> None:
        log.show(line if verbose else _HOST.sub("", line))

    try:
        trained = jobs.train(name, hyperparameters, directory, show)
    except KeyboardInterrupt:
        say("Stopped at once; nothing is kept")
        sys.exit(ExitCode.INTERRUPTED)
    answer.add(test=log.print_test())
    if trained.stopped:
        answer.add(status="Stopped", model=trained.model)
        say(f"Stopped. The best model so far is {trained.model}" if trained.model else "Stopped before the first model")
        sys.exit(ExitCode.INTERRUPTED)
    answer.add(status="Completed")
    answer.place("model", trained.model)
    answer.place("outputs", trained.output)
    answer.next(
        f"slipway serve {shlex.quote(str(trained.model))}",
        "slipway predict PICTURE",
        between=", and in another terminal: ",
    )
