"""The work of `slipway tune`: on this machine, on SageMaker, or as a Weights & Biases sweep; and its output."""

import json
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from container.contract.hyperparameters import TrainConfig
from slipway.aws.dry_run import DryRun
from slipway.aws.session import AnySession
from slipway.datasets.folder import SPLIT_FOLDERS
from slipway.errors import PageError, SearchSpaceError
from slipway.options.channels import local_channels, weights_file, without_weights_file
from slipway.processes.job import default_job_directory, require_installed
from slipway.processes.networks import check_networks
from slipway.requests.objective import Objective, objective
from slipway.requests.search_space import SearchSpace, extremes, parse_range
from slipway.terminal.console import say, say_place, say_table
from slipway.tuning.plan import Plan, with_strategy
from slipway.tuning.strategy import Strategy, job_count, most_epochs
from slipway.tuning.table import table
from slipway.tuning.trial import Tuning

PAGE = "tuning.html"


@dataclass(frozen=True, kw_only=True)
class Search:
    """A search, independent of where it runs."""

    objective: Objective
    strategy: Strategy
    space: SearchSpace
    fixed: Mapping[str, str]
    early_stopping: bool
    max_jobs: int | None

    @property
    def job_count(self) -> int:
        return job_count(self.strategy, self.space, self.max_jobs)

    @property
    def config(self) -> TrainConfig:
        return TrainConfig.from_strings(without_weights_file(self.fixed))


def make_search(
    options: Mapping[str, str | None],
    ranges: tuple[str, ...],
    strategy: Strategy,
    metric: str,
    early_stopping: str | None,
    max_jobs: int | None,
) -> Search:
    """Build a search from the options, and check it.

    Raises:
        SearchSpaceError: The options make no search.
        HyperparameterError: There is no such hyperparameter, or it may not have such a value.
    """
    fixed = {name.replace("_", "-"): value for name, value in options.items() if value is not None}
    given = [parse_range(text) for text in ranges]
    if len(dict(given)) < len(given):
        raise SearchSpaceError("a hyperparameter has two ranges; give it one")
    searched, static = with_strategy(strategy, dict(given), without_weights_file(fixed))
    if strategy == "Hyperband" and early_stopping == "Auto":
        raise SearchSpaceError("Hyperband stops trials itself; omit --early-stopping")
    found = Search(
        objective=objective(metric),
        strategy=strategy,
        space=searched,
        fixed={**fixed, **static},
        early_stopping=early_stopping != "Off",
        max_jobs=max_jobs,
    )
    job_count(strategy, searched, max_jobs)
    return found


def tune_here(
    data: str,
    search: Search,
    study_dir: Path | None,
    output: Path | None,
    *,
    verbose: bool,
    keep_models: bool,
    print_json: Callable[[str], None] | None,
) -> None:
    """Run a study and show it; exit if a signal stopped it."""
    from slipway.tune.journal import FIELDS
    from slipway.tune.study import run_study

    if search.objective.metric not in FIELDS:
        raise SearchSpaceError(
            f"on this machine the objective is one of {', '.join(FIELDS)}: a trial is judged by the epoch whose model "
            f"is kept, and {search.objective.metric} does not belong to one"
        )
    fixed = dict(search.fixed)
    channels = local_channels(Path(data), {}, weights_file(fixed))
    require_installed("torch", "sagemaker_training", "optuna")
    check_networks(extremes(search.space, fixed))
    directory = study_dir or default_job_directory("study")
    plan = Plan(
        objective=search.objective,
        strategy=search.strategy,
        space=search.space,
        fixed=fixed,
        seed=TrainConfig.from_strings(fixed).seed,
        early_stopping=search.early_stopping,
    )
    say(f"Up to {search.job_count} trials in {directory}")
    run = run_study(plan, search.job_count, channels, directory, say=say, verbose=verbose, keep_models=keep_models)
    if run.stopped_by is not None:
        ended = sum(trial.status in ("completed", "stopped early") for trial in run.tuning.trials)
        say(f"Stopped; {ended} of {search.job_count} trials have finished.")
        say(f"Next: the same command with --study-dir {shlex.quote(str(directory))} continues from there")
        sys.exit(128 + run.stopped_by)
    show_trials(run.tuning, output or directory / PAGE, print_json)
    if run.best_job is not None:
        say_place("model", run.best_job.archive)
        say(f"Next: slipway serve {shlex.quote(str(run.best_job.path))}")


@dataclass(frozen=True, kw_only=True)
class Remote:
    """The settings of a tuning job on SageMaker, beside its search."""

    estimator: Mapping[str, Any]
    """Arguments of `Estimator`, without the hyperparameters."""
    name: str | None
    tags: Sequence[Mapping[str, str]]
    max_parallel: int
    parents: tuple[str, ...]
    transfer: bool
    session: AnySession


def tune_on_sagemaker(
    data: str,
    search: Search,
    remote: Remote,
    output: Path | None,
    recorded: DryRun | None,
    *,
    wait: bool,
    print_json: Callable[[str], None] | None,
) -> None:
    """Start a tuning job and show its trials when it has ended; a dry run records the request only."""
    from slipway.datasets.s3_channels import find_s3_channels
    from slipway.training.estimator import Estimator
    from slipway.tuning.tuner import Tuner
    from slipway.tuning.tuner_base import warm_start

    fixed = dict(search.fixed)
    weights = fixed.pop("weights") if fixed.get("weights", "").startswith("s3://") else None
    estimator = Estimator(
        **remote.estimator,
        hyperparameters=fixed,
        sagemaker_session=remote.session,
    )
    tuner = Tuner(
        estimator,
        search.objective.metric,
        dict(search.space),
        strategy=search.strategy,
        max_jobs=search.max_jobs,
        max_parallel_jobs=remote.max_parallel,
        early_stopping_type="Auto" if search.early_stopping and search.strategy != "Hyperband" else "Off",
        warm_start_config=warm_start(remote.parents, transfer=remote.transfer) if remote.parents else None,
        tags=remote.tags,
        random_seed=search.config.seed if "seed" in fixed else None,
    )
    assumed = {name: f"{data.rstrip('/')}/{name}" for name in SPLIT_FOLDERS}
    channels = find_s3_channels(remote.session, data) if recorded is None else assumed
    tuner.fit(
        channels | ({"weights": weights} if weights else {}),
        job_name=remote.name,
        wait=wait and recorded is None,
        say=say if recorded is None else _silent,
    )
    if recorded is not None:
        return
    if wait:
        show_trials(tuner.tuning(), output or Path(f"{tuner.job.name}.html"), print_json)
        return
    following = f"slipway tune --report {tuner.job.name}"
    say(f"Next: {following}")
    if print_json is not None:
        job = {"name": tuner.job.name, "arn": tuner.latest_tuning_job.arn}  # type: ignore[union-attr]
        print_json(json.dumps({**job, "status": "InProgress", "console": tuner.job.address, "next": [following]}))


def write_sweep(data: str, search: Search, output: Path | None) -> None:
    """Write a sweep's file, and print how to use it."""
    import yaml

    from slipway.tune.sweep import FILE, sweep_configuration

    fixed = dict(search.fixed)
    # The sweep's agent may run in another folder.
    channels = local_channels(Path(data).resolve(), {}, weights := weights_file(dict(fixed)))
    if weights is not None:
        fixed["weights"] = str(channels["weights"].resolve())
    options = [f"--{name}={value}" for name, value in {**fixed, "wandb": "true"}.items()]
    content = sweep_configuration(
        search.objective,
        search.strategy,
        search.space,
        ["slipway", "train", str(Path(data).resolve()), *options],
        most_epochs=most_epochs(search.space, search.config.epochs),
        run_cap=search.job_count,
    )
    file = output or Path(FILE)
    _write(file, yaml.safe_dump(content, sort_keys=False, width=1_000))
    say(f"The sweep is {file}")
    say(f"Next: wandb sweep --project slipway {shlex.quote(str(file))}")
    say("and on each machine that is to train, the command that it prints: wandb agent ENTITY/slipway/SWEEP_ID")


def read_trials(report: str, region: str | None, profile: str | None) -> Tuning:
    """Read the trials of a study directory, or of a tuning job on SageMaker."""
    if Path(report).is_dir():
        from slipway.tune.journal import read_study

        return read_study(Path(report))
    from slipway.aws.connection import Aws
    from slipway.tuning.tuning_job import TuningJob

    aws = Aws(region, profile)
    return TuningJob(report, aws.service("sagemaker"), aws.region).tuning()


def show_trials(tuning: Tuning, page: Path, print_json: Callable[[str], None] | None) -> None:
    """Print the table, or JSON if there is a function to print it with, and write the page."""
    from slipway.tuning.page import render_page

    if print_json is not None:
        print_json(json.dumps(tuning.to_json(), ensure_ascii=False))
    else:
        say("")
        titles, rows = table(tuning)
        say_table(rows, titles)
    for trial in tuning.trials:
        if trial.reason:
            say(f"{trial.name} failed: {trial.reason}")
    say("")
    _write(page, render_page(tuning))
    if tuning.best is not None:
        say(f"Best: {tuning.best.name}, {tuning.objective.metric} {tuning.best.objective:.4f}")
        if tuning.chance:
            say(f"  {tuning.chance}")
    say_place("page", page)


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise PageError(f"{file} cannot be written: {error.strerror}; name another file with --output") from error


def _silent(_text: str) -> None:
    """Print nothing, for a dry run."""
