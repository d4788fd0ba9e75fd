"""CreateHyperParameterTuningJob: the definition of a tuning job, and its request."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from slipway.requests.objective import Objective
from slipway.requests.search_space import Choices, NumberRange, Range, as_text, read_value
from slipway.requests.training_job import Part, TrainingJobRequest
from slipway.requests.values import without_none

_SCALING = {"linear": "Linear", "log": "Logarithmic"}
_KINDS = ("Continuous", "Categorical", "Integer")


@dataclass(frozen=True, kw_only=True)
class TuningJobRequest:
    """A tuning job's definition; the fields have the names of `Tuner`'s arguments."""

    job_name: str
    training_job: TrainingJobRequest
    """The training jobs' definition; its hyperparameters are the fixed ones."""
    objective: Objective
    ranges: Mapping[str, tuple[str, Part]] | None
    """Ranges by name: Continuous, Categorical or Integer, and the form of the API; None if SageMaker chooses all."""
    strategy: str
    strategy_config: Part | None = None
    max_jobs: int
    max_parallel_jobs: int
    max_runtime_in_seconds: int | None = None
    early_stopping_type: str
    random_seed: int | None = None
    completion_criteria_config: Part | None = None
    warm_start_config: Part | None = None
    auto_parameters: Mapping[str, str] | None = None
    """Hyperparameters whose ranges SageMaker chooses, with a value as a hint."""
    autotune: bool = False
    tags: Sequence[Part] | None = None

    def request(self) -> dict[str, Any]:
        """Return the parameters of CreateHyperParameterTuningJob."""
        return without_none(
            {
                "HyperParameterTuningJobName": self.job_name,
                "HyperParameterTuningJobConfig": self._config(),
                "Autotune": {"Mode": "Enabled"} if self.autotune else None,
                "TrainingJobDefinition": {
                    "StaticHyperParameters": dict(self.training_job.hyperparameters),
                    **self.training_job.common_members(),
                    "HyperParameterTuningResourceConfig": self.training_job.instances(),
                },
                "WarmStartConfig": self.warm_start_config,
                "Tags": self.tags,
            }
        )

    def _config(self) -> dict[str, Any]:
        limits = {
            "MaxNumberOfTrainingJobs": self.max_jobs,
            "MaxParallelTrainingJobs": self.max_parallel_jobs,
            "MaxRuntimeInSeconds": self.max_runtime_in_seconds,
        }
        return without_none(
            {
                "Strategy": self.strategy,
                "StrategyConfig": self.strategy_config,
                "HyperParameterTuningJobObjective": {"Type": self.objective.goal, "MetricName": self.objective.metric},
                "ResourceLimits": without_none(limits),
                "ParameterRanges": self._ranges(),
                "TrainingJobEarlyStoppingType": self.early_stopping_type,
                "RandomSeed": self.random_seed,
                "TuningJobCompletionCriteria": self.completion_criteria_config,
            }
        )

    def _ranges(self) -> dict[str, Any] | None:
        found: dict[str, Any] = {}
        if self.ranges is not None:
            found = {
                f"{kind}ParameterRanges": [part for one, part in self.ranges.values() if one == kind] for kind in _KINDS
            }
        if self.auto_parameters is not None:
            found["AutoParameters"] = [{"Name": n, "ValueHint": value} for n, value in self.auto_parameters.items()]
        return found or None


def parameter_range(name: str, entry: Any) -> tuple[str, Part]:
    """Return a range's kind and its API form.

    Args:
        name: Name of the hyperparameter.
        entry: Slipway's range, or either SDK's.
    """
    if hasattr(entry, "as_tuning_range"):
        return entry.__name__, entry.as_tuning_range(name)
    if isinstance(entry, Choices):
        return "Categorical", {"Name": name, "Values": [as_text(value) for value in entry.values]}
    low, high = (int(entry.low), int(entry.high)) if entry.whole else (entry.low, entry.high)
    scaling = _SCALING[entry.scale]
    kind = "Integer" if entry.whole else "Continuous"
    return kind, {"Name": name, "MinValue": str(low), "MaxValue": str(high), "ScalingType": scaling}


def ranges_of(parts: Part) -> dict[str, Range]:
    """Read the ranges of a tuning job.

    Args:
        parts: ParameterRanges of the API.
    """
    listed = parts.get("CategoricalParameterRanges", ())
    found: dict[str, Range] = {
        one["Name"]: Choices(values=tuple(read_value(one["Name"], text) for text in one["Values"])) for one in listed
    }
    for kind in ("Integer", "Continuous"):
        for one in parts.get(f"{kind}ParameterRanges", ()):
            found[one["Name"]] = NumberRange(
                low=float(one["MinValue"]),
                high=float(one["MaxValue"]),
                scale="log" if one.get("ScalingType") == "Logarithmic" else "linear",
                whole=kind == "Integer",
            )
    return found
