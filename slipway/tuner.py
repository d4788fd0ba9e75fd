"""A tuning job on SageMaker: the SDK's tuner with Slipway's search space, checks and results."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

from sagemaker.parameter import ParameterRange
from sagemaker.session import Session
from sagemaker.tuner import (
    HyperbandStrategyConfig,
    HyperparameterTuner,
    StrategyConfig,
    WarmStartConfig,
    WarmStartTypes,
)
from sagemaker.utils import name_from_base

from container.contract.hyperparameters import TrainConfig, Value
from container.contract.metric_lines import METRIC_DEFINITIONS
from slipway.aws.connection import Service
from slipway.aws.refusals import explained
from slipway.aws.session import is_local, session_for
from slipway.aws.tags import with_own_tag
from slipway.checks.arguments import refuse_unknown
from slipway.errors import RemoteJobError, SearchSpaceError, SettingError
from slipway.estimator import Estimator
from slipway.search_space import EPOCHS, Range, read_value
from slipway.settings import Settings
from slipway.tuning.objective import DEFAULT_OBJECTIVE, Goal, objective
from slipway.tuning.plan import with_strategy
from slipway.tuning.sdk_ranges import check_ranges, to_sdk
from slipway.tuning.strategy import (
    DEFAULT_MAX_PARALLEL_JOBS,
    STRATEGIES,
    hyperband_epochs,
    job_count,
    most_epochs,
)
from slipway.tuning.trial import Trial, Tuning
from slipway.tuning.tuning_job import Progress, TuningJob

_MOST_PARENTS = 5
_SHORT_BASE = 8

Ranges = Mapping[str, ParameterRange | Range]


class Tuner(HyperparameterTuner):  # type: ignore[misc]  # the SDK has no types
    """The SDK's HyperparameterTuner (version 2); every argument of its still works.

    Args:
        estimator: Estimator with the fixed hyperparameters and all other settings of the training jobs.
        objective_metric_name: Name of one of the metric definitions.
        hyperparameter_ranges: The SDK's ParameterRange or Slipway's ranges by name; None: `DEFAULT_SPACE`, without the
            estimator's hyperparameters. Each end is checked against the table of hyperparameters.
        metric_definitions: Metric definitions; None: the estimator's.
        strategy: Bayesian, Random, Grid (lists of values only; all combinations are tried) or Hyperband (decides on
            each job's epochs itself: at most the largest number given, at least a ninth of it).
        objective_type: Maximize or Minimize; None: Maximize for accuracies, else Minimize.
        max_jobs: Number of training jobs; None: 20, for Grid all points.
        max_parallel_jobs: Number of training jobs at once.
        early_stopping_type: Auto or Off; None: Auto, for Hyperband Off, since it stops jobs itself.
        autotune: Let SageMaker choose the ranges that are not given.
        sdk_arguments: Further arguments of sagemaker.tuner.HyperparameterTuner, such as warm_start_config (see
            `warm_start`), completion_criteria_config, max_runtime_in_seconds, random_seed.

    Raises:
        SearchSpaceError: The ranges, the objective or the strategy are invalid.
        HyperparameterError: There is no such hyperparameter, or it may not have such a value.
        SettingError: The estimator is for the SDK's local mode, which has no tuning jobs, or has a debugger or rules.
    """

    DEFAULT_ESTIMATOR_MODULE = "slipway.estimator"

    poll_s: float = 15.0
    """Seconds between polls while waiting for a tuning job."""

    def __init__(
        self,
        estimator: Estimator,
        objective_metric_name: str = DEFAULT_OBJECTIVE,
        hyperparameter_ranges: Ranges | None = None,
        metric_definitions: Sequence[Mapping[str, str]] | None = None,
        strategy: str = "Bayesian",
        objective_type: Goal | None = None,
        max_jobs: int | None = None,
        max_parallel_jobs: int = DEFAULT_MAX_PARALLEL_JOBS,
        *,
        early_stopping_type: str | None = None,
        autotune: bool = False,
        strategy_config: StrategyConfig | None = None,
        tags: Any = None,
        **sdk_arguments: Any,
    ) -> None:
        refuse_unknown("Tuner", sdk_arguments, (Tuner, "__init__"))
        if is_local(estimator.instance_type):
            raise SettingError(
                "the SDK's local mode has no tuning jobs; on this machine, tune with: slipway tune DATA, without "
                "--instance-type"
            )
        if estimator.rules or estimator.debugger_hook_config:
            raise SettingError(
                "SageMaker's tuning jobs have neither a Debugger nor rules: the API has no place for them; leave out "
                "debug and rules, and train the best job again with them"
            )
        if strategy not in STRATEGIES:
            raise SearchSpaceError(f"there is no strategy {strategy}; there are: {', '.join(STRATEGIES)}")
        if strategy == "Hyperband" and early_stopping_type == "Auto":
            raise SearchSpaceError("Hyperband stops jobs itself; leave early stopping out, or set it to Off")
        definitions = list(metric_definitions or estimator.metric_definitions or METRIC_DEFINITIONS)
        goal = objective(objective_metric_name, objective_type, definitions).goal
        self._own_static: dict[str, str] = {}
        ranges: Mapping[str, ParameterRange | Range] | None = hyperparameter_ranges
        if estimator.own_script and not ranges and not autotune:
            raise SearchSpaceError("a script of your own has no default ranges; give hyperparameter_ranges")
        if not estimator.own_script and not (autotune and not ranges):
            ranges, strategy_config = self._searched(estimator, ranges or {}, strategy, strategy_config)
            max_jobs = job_count(strategy, check_ranges(ranges), max_jobs)
        super().__init__(
            estimator,
            objective_metric_name,
            None
            if ranges is None
            else {n: e if isinstance(e, ParameterRange) else to_sdk(e) for n, e in ranges.items()},
            metric_definitions=definitions,
            strategy=strategy,
            objective_type=goal,
            max_jobs=max_jobs or job_count("Bayesian", {}, None),
            max_parallel_jobs=max_parallel_jobs,
            early_stopping_type=early_stopping_type or ("Off" if strategy == "Hyperband" else "Auto"),
            autotune=autotune,
            strategy_config=strategy_config,
            tags=with_own_tag(tags),
            base_tuning_job_name=sdk_arguments.pop("base_tuning_job_name", None) or "slipway",
            **sdk_arguments,
        )

    def _searched(
        self, estimator: Estimator, given: Ranges, strategy: str, strategy_config: StrategyConfig | None
    ) -> tuple[Ranges, StrategyConfig | None]:
        fixed = {name: str(value) for name, value in estimator.hyperparameters().items() if name not in given}
        space, static = with_strategy(strategy, check_ranges(given), fixed)  # type: ignore[arg-type]  # checked
        if strategy == "Hyperband":
            if EPOCHS not in fixed:
                self._own_static = {EPOCHS: str(most_epochs({}, TrainConfig.from_strings(static).epochs))}
            epochs = hyperband_epochs(TrainConfig.from_strings(static).epochs)
            strategy_config = strategy_config or StrategyConfig(HyperbandStrategyConfig(epochs.most, epochs.least))
        return {name: given.get(name, entry) for name, entry in space.items()}, strategy_config

    def _prepare_static_hyperparameters_for_tuning(self, include_cls_metadata: Any = False) -> None:
        super()._prepare_static_hyperparameters_for_tuning(include_cls_metadata=include_cls_metadata)
        self.static_hyperparameters.update(self._own_static)

    @classmethod
    def _prepare_estimator_from_job_description(
        cls,
        estimator_cls: type[Estimator],
        training_details: dict[str, Any],
        parameter_ranges: Any,
        sagemaker_session: Session,
    ) -> Estimator:
        # The SDK reads another attribute than the one that it writes.
        if resources := training_details.get("HyperParameterTuningResourceConfig"):
            one = resources["InstanceConfigs"][0] if resources.get("InstanceConfigs") else resources
            training_details.setdefault("ResourceConfig", {"VolumeSizeInGB": 30, **resources, **one})
        found: Estimator = super()._prepare_estimator_from_job_description(
            estimator_cls, training_details, parameter_ranges, sagemaker_session
        )
        return found

    def _get_model_uri(self, estimator: Estimator) -> None:
        # The SDK asks for tags of its model zoo, and an estimator that has not trained answers with a warning.
        return None

    def fit(
        self,
        inputs: Any = None,
        job_name: str | None = None,
        include_cls_metadata: bool | Mapping[str, bool] = False,
        estimator_kwargs: Mapping[str, Mapping[str, Any]] | None = None,
        wait: bool = True,
        *,
        say: Callable[[str], None] = print,
        **arguments: Any,
    ) -> None:
        """Check everything that can be checked, start the tuning job, and wait for it.

        Args:
            inputs: As for `Estimator.fit`.
            job_name: Name of the tuning job; None: base_tuning_job_name and the time.
            include_cls_metadata: As in the SDK.
            estimator_kwargs: As in the SDK.
            wait: Wait until all training jobs have ended, and show the progress.
            say: Called with the name and the console address of the tuning job.
            arguments: Further arguments of the SDK's fit().

        Raises:
            SettingError: A channel is misnamed or missing.
            ServiceError: AWS refuses; nothing was started.
            RemoteJobError: No training job has a result.
        """
        base = self.base_tuning_job_name
        # The long form, with milliseconds, leaves eight characters of the 32 that a name may have.
        job_name = job_name or name_from_base(base, self.TUNING_JOB_NAME_MAX_LENGTH, short=len(base) > _SHORT_BASE)
        channels = self.estimator.prepare_inputs(inputs, job_name)
        with explained("starting the tuning job"):
            super().fit(channels, job_name, include_cls_metadata, estimator_kwargs, wait=False, **arguments)
        say(f"Tuning job {self.job.name}: {self.job.address}")
        if wait:
            self.wait()

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
            raise RemoteJobError(job.still_running) from None
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
        return _job(self.latest_tuning_job.name, self.sagemaker_session)

    def trials(self) -> list[Trial]:
        """List all training jobs so far, in the order in which they were started."""
        return self.job.trials()

    def tuning(self) -> Tuning:
        """Read the trials and their objective, for `slipway.tuning.table` and `slipway.tuning.page`."""
        return self.job.tuning()

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

    @classmethod
    def attach(
        cls,
        tuning_job_name: str,
        sagemaker_session: Session | None = None,
        job_details: Mapping[str, Any] | None = None,
        estimator_cls: str | Mapping[str, str] | None = None,
        *,
        region: str | None = None,
    ) -> Self:
        """Build a Tuner for an existing tuning job, with an Estimator that has its training jobs' settings.

        Raises:
            ServiceError: There is no such job, or AWS refuses.
        """
        settings = Settings.read()
        session = sagemaker_session or session_for(None, region=region or settings.region, profile=settings.profile)
        with explained(f"attaching to the tuning job {tuning_job_name}"):
            return super().attach(tuning_job_name, session, job_details, estimator_cls)  # type: ignore[no-any-return]


def warm_start(parents: Sequence[str], *, transfer: bool = False) -> WarmStartConfig:
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
    kind = WarmStartTypes.TRANSFER_LEARNING if transfer else WarmStartTypes.IDENTICAL_DATA_AND_ALGORITHM
    return WarmStartConfig(kind, set(parents))


def _job(name: str, session: Session) -> TuningJob:
    return TuningJob(name, Service("sagemaker", session.sagemaker_client), session.boto_region_name)
