"""A tuning job on SageMaker, without an SDK."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Self

from slipway.aws.refusals import explained
from slipway.aws.session import AnySession
from slipway.aws.tags import with_own_tag
from slipway.checks.arguments import refuse_unknown
from slipway.checks.inputs import Inputs
from slipway.errors import SettingError
from slipway.requests.names import base_name
from slipway.requests.objective import DEFAULT_OBJECTIVE, Goal
from slipway.requests.pipelines import in_pipeline, step_arguments
from slipway.requests.tuning_job import TuningJobRequest, parameter_range, ranges_of
from slipway.requests.values import api_value
from slipway.settings.slipway_toml import Settings
from slipway.training.attached_job import arguments_of
from slipway.training.estimator import Estimator, StartedJob
from slipway.tuning.ranges import Ranges
from slipway.tuning.strategy import DEFAULT_MAX_PARALLEL_JOBS
from slipway.tuning.tuner_base import TunerBase, warm_start

if TYPE_CHECKING:
    from slipway.hosting.predictor import Predictor

__all__ = ["Tuner", "warm_start"]


@dataclass(frozen=True, kw_only=True)
class _Further:
    """Rarely given arguments, with the names of version 2 of the SDK."""

    max_runtime_in_seconds: int | None = None
    base_tuning_job_name: str | None = None
    warm_start_config: Any = None
    completion_criteria_config: Any = None
    random_seed: int | None = None
    hyperparameters_to_keep_static: Sequence[str] | None = None


class Tuner(TunerBase):
    """A tuning job on SageMaker, and the tuning jobs that are started with the same settings.

    Args:
        estimator: Estimator with the fixed hyperparameters and all other settings of the training jobs.
        objective_metric_name: Name of one of the metric definitions.
        hyperparameter_ranges: Slipway's ranges or an SDK's ParameterRange by name; None: `DEFAULT_SPACE`, without the
            estimator's hyperparameters. Each end is checked against the table of hyperparameters.
        metric_definitions: Metric definitions; None: the estimator's.
        strategy: Bayesian, Random, Grid (lists of values only; all combinations are tried) or Hyperband (decides on
            each job's epochs itself: at most the largest number given, at least a ninth of it).
        objective_type: Maximize or Minimize; None: Maximize for accuracies, else Minimize.
        max_jobs: Number of training jobs; None: 20, for Grid all points.
        max_parallel_jobs: Number of training jobs at once.
        early_stopping_type: Auto or Off; None: Auto, for Hyperband Off, since it stops jobs itself.
        autotune: Let SageMaker choose the ranges that are not given.
        strategy_config: Limits of Hyperband in the form of AWS's API; None: those that `strategy` says.
        tags: Tags of the tuning job.
        further: max_runtime_in_seconds, base_tuning_job_name, warm_start_config (see `slipway.warm_start`),
            completion_criteria_config (in the form of AWS's API), random_seed, hyperparameters_to_keep_static.

    Raises:
        TypeError: An argument is unknown.
        SearchSpaceError: The ranges, the objective or the strategy are invalid.
        HyperparameterError: There is no such hyperparameter, or it may not have such a value.
        SettingError: The estimator is for local mode, which has no tuning jobs, or has a debugger or rules.
    """

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
        strategy_config: Any = None,
        tags: Any = None,
        **further: Any,
    ) -> None:
        refuse_unknown("Tuner", further, (Tuner, "__init__"), also=[field.name for field in fields(_Further)])
        self._search = self._check(
            estimator,
            objective_metric_name,
            hyperparameter_ranges,
            metric_definitions,
            strategy,
            objective_type,
            max_jobs,
            early_stopping_type,
            strategy_config,
            autotune=autotune,
        )
        self._further = _Further(**further)
        self.estimator = estimator
        self.strategy = strategy
        self.objective_metric_name = objective_metric_name
        self.objective_type = self._search.objective.goal
        self.max_jobs = self._search.max_jobs
        self.max_parallel_jobs = max_parallel_jobs
        self.early_stopping_type = self._search.early_stopping_type
        self.autotune = autotune
        self.tags = with_own_tag(tags)
        self.base_tuning_job_name = self._further.base_tuning_job_name or "slipway"
        self.latest_tuning_job: StartedJob | None = None

    @property
    def sagemaker_session(self) -> AnySession:
        """The estimator's session."""
        return self.estimator.sagemaker_session  # type: ignore[no-any-return]  # of either kind

    def definition(self, job: str, channels: Mapping[str, Any]) -> TuningJobRequest:
        """Return the definition of a tuning job.

        Args:
            job: Its name.
            channels: From `Estimator.prepare_inputs`.

        Raises:
            UserError: The estimator's script cannot be uploaded.
        """
        search, further = self._search, self._further
        training = self.estimator.definition(job, channels)
        fixed = {k: v for k, v in training.hyperparameters.items() if k not in (search.ranges or {})}
        fixed |= search.own_static
        chosen = None
        if self.autotune:
            keep = further.hyperparameters_to_keep_static or ()
            if unknown := [name for name in keep if name not in fixed]:
                raise SettingError(
                    f"hyperparameters_to_keep_static names {unknown[0]}, which the estimator does not set"
                )
            chosen = {name: value for name, value in fixed.items() if name not in keep}
            fixed = {name: value for name, value in fixed.items() if name in keep}
        return TuningJobRequest(
            job_name=job,
            training_job=replace(training, hyperparameters=fixed, metric_definitions=search.definitions),
            objective=search.objective,
            ranges=None
            if search.ranges is None
            else {name: parameter_range(name, entry) for name, entry in search.ranges.items()},
            strategy=self.strategy,
            strategy_config=api_value(search.strategy_config),
            max_jobs=self.max_jobs,
            max_parallel_jobs=self.max_parallel_jobs,
            max_runtime_in_seconds=further.max_runtime_in_seconds,
            early_stopping_type=self.early_stopping_type,
            random_seed=further.random_seed,
            completion_criteria_config=api_value(further.completion_criteria_config),
            warm_start_config=api_value(further.warm_start_config),
            auto_parameters=chosen,
            autotune=self.autotune,
            tags=self.tags,
        )

    def fit(
        self,
        inputs: Inputs = None,
        job_name: str | None = None,
        wait: bool = True,
        *,
        say: Callable[[str], None] = print,
    ) -> Any:
        """Check everything that can be checked, start the tuning job, and wait for it.

        Args:
            inputs: As for `Estimator.fit`.
            job_name: Name of the tuning job; None: base_tuning_job_name and the time.
            wait: Wait until all training jobs have ended, and show the progress.
            say: Called with the name and the console address of the tuning job.

        Returns:
            With a PipelineSession of either SDK, the arguments of a TuningStep; else None.

        Raises:
            SettingError: A channel is misnamed or missing.
            ServiceError: AWS refuses; nothing was started.
            RemoteJobError: No training job has a result.
        """
        job = job_name or self._new_name()
        request = self.definition(job, self.estimator.prepare_inputs(inputs, job)).request()
        if in_pipeline(self.sagemaker_session):
            return step_arguments(self, "tune", request)
        with explained("starting the tuning job"):
            answer = self.sagemaker_session.sagemaker_client.create_hyper_parameter_tuning_job(**request)
        self._remember(job, answer["HyperParameterTuningJobArn"])
        say(f"Tuning job {job}: {self.job.address}")
        if wait:
            self.wait()
        return None

    def _remember(self, job: str, arn: str = "") -> None:
        """Keep the tuning job that was started or attached to as the latest."""
        self.latest_tuning_job = StartedJob(job, arn)

    def best_estimator(self) -> Estimator:
        """Return the Estimator of the best training job.

        Raises:
            RemoteJobError: There is none.
        """
        return type(self.estimator).attach(self.best_training_job(), self.sagemaker_session)

    def deploy(
        self, initial_instance_count: int | None = None, instance_type: str | None = None, **arguments: Any
    ) -> "Predictor":
        """Deploy the model of the best training job, as `Estimator.deploy` does.

        Raises:
            RemoteJobError: There is no best training job.
        """
        return self.best_estimator().deploy(initial_instance_count, instance_type, **arguments)

    @classmethod
    def attach(
        cls, tuning_job_name: str, sagemaker_session: AnySession | None = None, *, region: str | None = None
    ) -> Self:
        """Build a Tuner for an existing tuning job, with an Estimator that has its training jobs' settings.

        Raises:
            ServiceError: There is no such job, or AWS refuses.
        """
        settings = Settings.read()
        make = cls._estimator_class()._session
        session = sagemaker_session or make(None, region or settings.region, settings.profile)
        with explained(f"attaching to the tuning job {tuning_job_name}"):
            client = session.sagemaker_client
            found = client.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=tuning_job_name)
        config, training = found["HyperParameterTuningJobConfig"], found["TrainingJobDefinition"]
        given = arguments_of(training)
        given["hyperparameters"] = {
            name: value for name, value in given["hyperparameters"].items() if not name.startswith("_")
        }
        attached = cls(
            cls._estimator_class()(**given, sagemaker_session=session),
            hyperparameter_ranges=ranges_of(config.get("ParameterRanges", {})) or None,
            objective_metric_name=config["HyperParameterTuningJobObjective"]["MetricName"],
            objective_type=config["HyperParameterTuningJobObjective"]["Type"],
            strategy=config["Strategy"],
            strategy_config=config.get("StrategyConfig"),
            max_jobs=config["ResourceLimits"]["MaxNumberOfTrainingJobs"],
            max_parallel_jobs=config["ResourceLimits"]["MaxParallelTrainingJobs"],
            max_runtime_in_seconds=config["ResourceLimits"].get("MaxRuntimeInSeconds"),
            early_stopping_type=config["TrainingJobEarlyStoppingType"],
            completion_criteria_config=config.get("TuningJobCompletionCriteria"),
            random_seed=config.get("RandomSeed"),
            warm_start_config=found.get("WarmStartConfig"),
            base_tuning_job_name=base_name(tuning_job_name),
            autotune=found.get("Autotune", {}).get("Mode") == "Enabled",
        )
        attached._remember(tuning_job_name)
        return attached

    @staticmethod
    def _estimator_class() -> type[Estimator]:
        return Estimator
