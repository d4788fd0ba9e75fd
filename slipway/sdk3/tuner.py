"""Version 3 of the SDK: Tuner, with a HyperparameterTuner of the same definition."""

from typing import Any

from sagemaker.core import shapes
from sagemaker.core.parameter import CategoricalParameter, ContinuousParameter, IntegerParameter, ParameterRange
from sagemaker.core.utils.code_injection.codec import transform
from sagemaker.train.tuner import HyperparameterTuner

from slipway.checks.inputs import Inputs
from slipway.sdk3.estimator import Estimator
from slipway.tuning import tuner


class Tuner(tuner.Tuner):
    """A tuning job: `slipway.tuner.Tuner` has the arguments."""

    estimator: Estimator

    @staticmethod
    def _estimator_class() -> type[Estimator]:
        return Estimator

    @property
    def tuner(self) -> HyperparameterTuner:
        """A HyperparameterTuner with these settings and without inputs, for version 3's pipelines.

        Raises:
            SettingError: As for `to_tuner`.
        """
        return self.to_tuner()

    def to_tuner(self, inputs: Inputs = None, *, session: Any = None) -> HyperparameterTuner:
        """Return a HyperparameterTuner with these settings.

        Args:
            inputs, session: As for `Estimator.to_trainer`.

        Raises:
            SettingError: As for `Estimator.to_trainer`.
        """
        trainer = self.estimator.to_trainer(inputs, session=session)
        definition = self.definition(self._new_name(), {})
        trainer.hyperparameters = dict(definition.training_job.hyperparameters) | dict(definition.auto_parameters or {})
        found = transform(definition.request(), "CreateHyperParameterTuningJobRequest")
        config = found["hyper_parameter_tuning_job_config"]
        ranges = {} if definition.ranges is None else {n: _range(*entry) for n, entry in definition.ranges.items()}
        return HyperparameterTuner(
            model_trainer=trainer,
            objective_metric_name=self.objective_metric_name,
            hyperparameter_ranges=ranges,
            metric_definitions=[dict(one) for one in definition.training_job.metric_definitions or ()],
            strategy=self.strategy,
            objective_type=self.objective_type,
            max_jobs=self.max_jobs,
            max_parallel_jobs=self.max_parallel_jobs,
            max_runtime_in_seconds=definition.max_runtime_in_seconds,
            tags=self.tags,
            base_tuning_job_name=self.base_tuning_job_name,
            warm_start_config=_shape(shapes.HyperParameterTuningJobWarmStartConfig, found.get("warm_start_config")),
            strategy_config=_shape(shapes.HyperParameterTuningJobStrategyConfig, config.get("strategy_config")),
            completion_criteria_config=_shape(
                shapes.TuningJobCompletionCriteria, config.get("tuning_job_completion_criteria")
            ),
            early_stopping_type=self.early_stopping_type,
            random_seed=definition.random_seed,
            autotune=self.autotune,
            hyperparameters_to_keep_static=list(definition.training_job.hyperparameters) if self.autotune else None,
        )


def _range(kind: str, part: Any) -> ParameterRange:
    if kind == "Categorical":
        return CategoricalParameter(list(part["Values"]))
    number, build = (int, IntegerParameter) if kind == "Integer" else (float, ContinuousParameter)
    return build(number(part["MinValue"]), number(part["MaxValue"]), part["ScalingType"])


def _shape(kind: Any, values: Any) -> Any:
    return None if values is None else kind(**values)
