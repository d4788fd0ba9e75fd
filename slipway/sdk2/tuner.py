"""Version 2 of the SDK: its HyperparameterTuner, with Slipway's search space, checks and results."""

from typing import Any

from sagemaker.parameter import CategoricalParameter, ContinuousParameter, IntegerParameter, ParameterRange
from sagemaker.tuner import HyperparameterTuner, _TuningJob

from slipway.checks.inputs import Inputs
from slipway.requests.tuning_job import parameter_range
from slipway.sdk2.estimator import Estimator
from slipway.tuning import tuner


class Tuner(tuner.Tuner, HyperparameterTuner):  # type: ignore[misc]  # the SDK has no types
    """The SDK's HyperparameterTuner: `slipway.tuner.Tuner` has the arguments, and takes the SDK's objects too."""

    estimator: Estimator

    _estimator_class = staticmethod(lambda: Estimator)

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        own, search = self.__dict__.copy(), self._search
        ranges = {name: _range(name, entry) for name, entry in (search.ranges or {}).items()}
        HyperparameterTuner.__init__(
            self, self.estimator, self.objective_metric_name, ranges, search.definitions, autotune=self.autotune
        )
        self.__dict__.update(own)

    def fit(  # type: ignore[override]  # the SDK's order of arguments
        self,
        inputs: Inputs = None,
        job_name: str | None = None,
        include_cls_metadata: bool = False,
        wait: bool = True,
        **arguments: Any,
    ) -> Any:
        """Start a tuning job as `slipway.tuner.Tuner.fit` does; `attach` needs no include_cls_metadata."""
        return super().fit(inputs, job_name, wait, **arguments)

    def _remember(self, job: str, arn: str = "") -> None:
        self.latest_tuning_job = _TuningJob(self.sagemaker_session, job)


def _range(name: str, entry: Any) -> ParameterRange:
    if isinstance(entry, ParameterRange):
        return entry
    kind, part = parameter_range(name, entry)
    if kind == "Categorical":
        return CategoricalParameter(part["Values"])
    number, build = (int, IntegerParameter) if kind == "Integer" else (float, ContinuousParameter)
    return build(number(part["MinValue"]), number(part["MaxValue"]), part["ScalingType"])
