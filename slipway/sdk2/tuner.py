"""A tuning job on SageMaker: the SDK's tuner with Slipway's search space, checks and results."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

from sagemaker.parameter import CategoricalParameter, ContinuousParameter, IntegerParameter, ParameterRange
from sagemaker.session import Session
from sagemaker.tuner import (
    HyperbandStrategyConfig,
    HyperparameterTuner,
    StrategyConfig,
    TuningJobCompletionCriteriaConfig,
    WarmStartConfig,
    WarmStartTypes,
)

from slipway.aws.refusals import explained
from slipway.aws.session import session_for
from slipway.aws.tags import with_own_tag
from slipway.checks.arguments import refuse_unknown
from slipway.requests.objective import DEFAULT_OBJECTIVE, Goal
from slipway.requests.tuning_job import parameter_range
from slipway.sdk2.estimator import Estimator
from slipway.settings.slipway_toml import Settings
from slipway.tuning.ranges import Ranges
from slipway.tuning.strategy import DEFAULT_MAX_PARALLEL_JOBS
from slipway.tuning.tuner_base import TunerBase


class Tuner(TunerBase, HyperparameterTuner):  # type: ignore[misc]  # the SDK has no types
    """The SDK's HyperparameterTuner (version 2), with the arguments of `slipway.tuning.tuner.Tuner` and of the SDK's.

    Where those take mappings in the form of AWS's API, the SDK's objects are taken too.
    """

    DEFAULT_ESTIMATOR_MODULE = "slipway.sdk2.estimator"

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
        **sdk_arguments: Any,
    ) -> None:
        refuse_unknown("Tuner", sdk_arguments, (Tuner, "__init__"))
        search = self._check(
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
        self._own_static = search.own_static
        super().__init__(
            estimator,
            objective_metric_name,
            None if search.ranges is None else {name: _range(name, entry) for name, entry in search.ranges.items()},
            metric_definitions=search.definitions,
            strategy=strategy,
            objective_type=search.objective.goal,
            max_jobs=search.max_jobs,
            max_parallel_jobs=max_parallel_jobs,
            early_stopping_type=search.early_stopping_type,
            autotune=autotune,
            strategy_config=_strategy(search.strategy_config),
            tags=with_own_tag(tags),
            base_tuning_job_name=sdk_arguments.pop("base_tuning_job_name", None) or "slipway",
            warm_start_config=_warm_start(sdk_arguments.pop("warm_start_config", None)),
            completion_criteria_config=_criteria(sdk_arguments.pop("completion_criteria_config", None)),
            **sdk_arguments,
        )

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
    ) -> Any:
        """Check everything that can be checked, start the tuning job, and wait for it.

        Args:
            inputs, job_name, wait, say: As for `slipway.tuning.tuner.Tuner.fit`.
            include_cls_metadata, estimator_kwargs: As in the SDK.
            arguments: Further arguments of the SDK's fit().

        Returns:
            With a PipelineSession, the arguments of a TuningStep; else None.

        Raises:
            UserError: As for `slipway.tuning.tuner.Tuner.fit`.
        """
        job_name = job_name or self._new_name()
        channels = self.estimator.prepare_inputs(inputs, job_name)
        with explained("starting the tuning job"):
            step = super().fit(channels, job_name, include_cls_metadata, estimator_kwargs, wait=False, **arguments)
        if step is not None:
            return step
        say(f"Tuning job {self.job.name}: {self.job.address}")
        if wait:
            self.wait()
        return None

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


def _range(name: str, entry: Any) -> ParameterRange:
    if isinstance(entry, ParameterRange):
        return entry
    kind, part = parameter_range(name, entry)
    if kind == "Categorical":
        return CategoricalParameter(part["Values"])
    if kind == "Integer":
        return IntegerParameter(int(part["MinValue"]), int(part["MaxValue"]), part["ScalingType"])
    return ContinuousParameter(float(part["MinValue"]), float(part["MaxValue"]), part["ScalingType"])


def _strategy(config: Any) -> Any:
    if not isinstance(config, Mapping):
        return config
    limits = config["HyperbandStrategyConfig"]
    return StrategyConfig(HyperbandStrategyConfig(limits["MaxResource"], limits["MinResource"]))


def _warm_start(config: Any) -> Any:
    if not isinstance(config, Mapping):
        return config
    parents = {one["HyperParameterTuningJobName"] for one in config["ParentHyperParameterTuningJobs"]}
    return WarmStartConfig(WarmStartTypes(config["WarmStartType"]), parents)


def _criteria(config: Any) -> Any:
    return TuningJobCompletionCriteriaConfig.from_job_desc(config) if isinstance(config, Mapping) else config
