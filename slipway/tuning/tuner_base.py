"""What a `Tuner` does alike with an SDK and without: the checks of a search, and a tuning job's results."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from container.contract.hyperparameters import TrainConfig, Value
from container.contract.metric_lines import METRIC_DEFINITIONS
from slipway.aws.connection import Service
from slipway.errors import RemoteJobError, SearchSpaceError, ServiceError, SettingError
from slipway.installed_sdk import OnVersion3
from slipway.requests.names import new_name
from slipway.requests.objective import Goal, Objective, objective
from slipway.requests.pipelines import is_variable
from slipway.requests.search_space import EPOCHS, read_value
from slipway.tuning.plan import with_strategy
from slipway.tuning.ranges import Ranges, check_ranges
from slipway.tuning.strategy import STRATEGIES, hyperband_epochs, job_count, most_epochs
from slipway.tuning.trial import Trial, Tuning
from slipway.tuning.tuning_job import Progress, TuningJob

NOT_LOCALLY = "local mode has no tuning jobs; on this machine, tune with: slipway tune DATA, without --instance-type"

_MOST_PARENTS = 5
_SHORT_BASE = 8
_LONGEST_NAME = 32


@dataclass(frozen=True, kw_only=True)
class CheckedSearch:
    """A tuning job's search, checked and completed."""

    objective: Objective
    definitions: Sequence[Mapping[str, str]]
    ranges: Ranges | None
    """None if SageMaker chooses all."""
    own_static: Mapping[str, str]
    """Fixed hyperparameters that the strategy needs."""
    strategy_config: Any
    max_jobs: int
    early_stopping_type: str


class TunerBase(OnVersion3):
    """The shared part of both Tuners."""

    poll_s: float = 15.0
    """Seconds between polls while waiting for a tuning job."""

    if TYPE_CHECKING:
        base_tuning_job_name: Any
        latest_tuning_job: Any

        @property
        def sagemaker_session(self) -> Any: ...

    @staticmethod
    def _check(
        estimator: Any,
        metric: str,
        given: Ranges | None,
        definitions: Sequence[Mapping[str, str]] | None,
        strategy: str,
        goal: Goal | None,
        max_jobs: int | None,
        early_stopping_type: str | None,
        strategy_config: Any,
        *,
        autotune: bool,
    ) -> CheckedSearch:
        """Check and complete the arguments, which are `Tuner`'s."""
        if estimator.is_local:
            raise SettingError(NOT_LOCALLY)
        if estimator.asks_for_debugger:
            raise SettingError(
                "SageMaker's tuning jobs have neither a Debugger nor rules: the API has no place for them; leave out "
                "debug and rules, and train the best job again with them"
            )
        if strategy not in STRATEGIES:
            raise SearchSpaceError(f"there is no strategy {strategy}; there are: {', '.join(STRATEGIES)}")
        if strategy == "Hyperband" and early_stopping_type == "Auto":
            raise SearchSpaceError("Hyperband stops jobs itself; leave early stopping out, or set it to Off")
        written = list(definitions or estimator.metric_definitions or METRIC_DEFINITIONS)
        aim = objective(metric, goal, written)
        ranges, static = given, dict[str, str]()
        if estimator.own_script and not given and not autotune:
            raise SearchSpaceError("a script of your own has no default ranges; give hyperparameter_ranges")
        if not estimator.own_script and not (autotune and not given):
            ranges, static, strategy_config = _searched(estimator, given or {}, strategy, strategy_config)
            max_jobs = job_count(strategy, check_ranges(ranges), max_jobs)
        return CheckedSearch(
            objective=aim,
            definitions=written,
            ranges=ranges,
            own_static=static,
            strategy_config=strategy_config,
            max_jobs=max_jobs or job_count("Bayesian", {}, None),
            early_stopping_type=early_stopping_type or ("Off" if strategy == "Hyperband" else "Auto"),
        )

    def _new_name(self) -> str:
        base = str(self.base_tuning_job_name)
        # The long form, with milliseconds, leaves eight characters of the 32 that a name may have.
        return new_name(base, _LONGEST_NAME, short=len(base) > _SHORT_BASE)

    def wait(self, show: Callable[[Progress], None] = print) -> None:
        """Wait until the tuning job has ended.

        Args:
            show: Called with the progress whenever it changes.

        Raises:
            RemoteJobError: The job ended without a best training job, for the reasons in the message; or Ctrl-C ended
                the wait, and the job keeps running.
            ServiceError: AWS refuses.
        """
        job, before = self.job, ""
        try:
            while True:
                progress = job.progress()
                if str(progress) != before:
                    before = str(progress)
                    show(progress)
                if progress.ended:
                    break
                time.sleep(self.poll_s)
        except KeyboardInterrupt:
            raise RemoteJobError(f"stopped waiting; {job.still_running}") from None
        except ServiceError as error:
            error.args = (f"{error}\nIf it has not ended, {job.still_running}",)
            raise
        if progress.status == "Failed" or progress.best is None:
            raise job.failure(progress)

    @property
    def job(self) -> TuningJob:
        """The tuning job that was started or attached to.

        Raises:
            SettingError: There is none yet.
        """
        if self.latest_tuning_job is None:
            raise SettingError("there is no tuning job yet; call fit() first, or Tuner.attach(name)")
        session = self.sagemaker_session
        service = Service("sagemaker", session.sagemaker_client)
        return TuningJob(self.latest_tuning_job.name, service, session.boto_region_name)

    def trials(self) -> list[Trial]:
        """List all training jobs so far, in the order in which they were started."""
        return self.job.trials()

    def tuning(self) -> Tuning:
        """Read the trials and their objective, for `slipway.tuning.table` and `slipway.tuning.page`."""
        return self.job.tuning()

    def best_training_job(self) -> str:
        """Return the name of the best training job.

        Raises:
            RemoteJobError: There is none.
        """
        return str(self._get_best_training_job()["TrainingJobName"])

    def best_hyperparameters(self) -> dict[str, Value]:
        """Return the best training job's tuned hyperparameters, as values of their types.

        Raises:
            RemoteJobError: There is none.
        """
        best = self._get_best_training_job()["TunedHyperParameters"]
        known = {row: value for row, value in best.items() if not row.startswith(("sagemaker_", "_"))}
        return {name: read_value(name, text) for name, text in known.items()}

    def _get_best_training_job(self) -> Mapping[str, Any]:
        answer = self.job.describe()
        if "BestTrainingJob" not in answer:
            raise self.job.failure(self.job.progress())
        best: Mapping[str, Any] = answer["BestTrainingJob"]
        return best


def _searched(estimator: Any, given: Ranges, strategy: str, strategy_config: Any) -> tuple[Ranges, dict[str, str], Any]:
    own_values = {name: value for name, value in estimator.hyperparameters().items() if name not in given}
    of_pipeline = {name for name, value in own_values.items() if is_variable(value)}
    fixed = {name: str(value) for name, value in own_values.items() if name not in of_pipeline}
    space, static = with_strategy(strategy, check_ranges(given), fixed)  # type: ignore[arg-type]  # checked
    space = {name: entry for name, entry in space.items() if name not in of_pipeline}
    own: dict[str, str] = {}
    if strategy == "Hyperband":
        if EPOCHS in of_pipeline:
            raise SearchSpaceError("Hyperband decides on the epochs, which cannot be a pipeline's parameter then")
        if EPOCHS not in fixed:
            own = {EPOCHS: str(most_epochs({}, TrainConfig.from_strings(static).epochs))}
        epochs = hyperband_epochs(TrainConfig.from_strings(static).epochs)
        limits = {"MinResource": epochs.least, "MaxResource": epochs.most}
        strategy_config = strategy_config or {"HyperbandStrategyConfig": limits}
    return {name: given.get(name, entry) for name, entry in space.items()}, own, strategy_config


def warm_start(parents: Sequence[str], *, transfer: bool = False) -> dict[str, Any]:
    """Build a `warm_start_config` that starts from the results of earlier tuning jobs.

    Args:
        parents: Names of the tuning jobs.
        transfer: Whether the data, the image or the ranges may differ; else all of them must be the same.

    Raises:
        SearchSpaceError: There are more tuning jobs than SageMaker accepts.
    """
    if len(parents) > _MOST_PARENTS:
        raise SearchSpaceError(
            f"{len(parents)} parents are given for a warm start; SageMaker takes {_MOST_PARENTS} at most"
        )
    kind = "TransferLearning" if transfer else "IdenticalDataAndAlgorithm"
    named = [{"HyperParameterTuningJobName": name} for name in dict.fromkeys(parents)]
    return {"WarmStartType": kind, "ParentHyperParameterTuningJobs": named}
