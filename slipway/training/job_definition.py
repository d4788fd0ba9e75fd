"""Parts of a training job's definition: hyperparameter names, metrics, spot times, TensorBoard."""

from collections.abc import Mapping, Sequence
from typing import Any

from container.contract.metric_lines import METRIC_DEFINITIONS
from slipway.checks.arguments import Function, known_arguments, refuse_unknown
from slipway.errors import SettingError
from slipway.requests.training_job import DAY_S

_SCRIPT_ARGUMENTS = ("entry_point", "source_dir")
_SCRIPT_HYPERPARAMETER = "sagemaker_program"
_MAX_WAIT_S = 28 * 24 * 60 * 60


def python_names(given: Mapping[str, object]) -> dict[str, Any]:
    """Return hyperparameters with `-` for the `_` of Python keywords; the SDK's own names are kept."""
    return {
        name if name.startswith(("sagemaker_", "_")) else name.replace("_", "-"): value for name, value in given.items()
    }


def with_own_metrics(given: Sequence[Mapping[str, Any]] | None, *, own_script: bool) -> list[Any] | None:
    """Return the metric definitions for Slipway's log, and the user's, which override those of the same name."""
    ours: Sequence[Mapping[str, Any]] = () if own_script else METRIC_DEFINITIONS
    return list({entry["Name"]: dict(entry) for entry in (*ours, *(given or ()))}.values()) or None


def has_script(hyperparameters: Mapping[str, object], arguments: Mapping[str, Any]) -> bool:
    """Whether the image runs a user's script; for an attached job, its hyperparameters tell."""
    return any(map(arguments.get, _SCRIPT_ARGUMENTS)) or _SCRIPT_HYPERPARAMETER in hyperparameters


def spot_arguments(given: Mapping[str, Any], *, local: bool) -> dict[str, Any]:
    """Build the arguments for spot instances: by default, the job may take twice its maximum run time.

    Raises:
        SettingError: The job would run in local mode.
    """
    if local:
        raise SettingError("spot training is SageMaker's; leave out spot, or name an instance type of SageMaker's")
    longest = int(given.get("max_run") or DAY_S)
    wait = given.get("max_wait", max(longest, min(2 * longest, _MAX_WAIT_S)))
    return {"use_spot_instances": True, "max_wait": wait}


def board_below(outputs: str) -> dict[str, str]:
    """Build the configuration that writes event files below a job's outputs; SageMaker adds the job's name."""
    return {"S3OutputPath": outputs, "LocalPath": "/opt/ml/output/tensorboard"}


def take_known(called: str, arguments: dict[str, Any], function: Function, *others: Function) -> dict[str, Any]:
    """Remove and return the named arguments of a method, Slipway's or the SDK's; model_name is the model's.

    Raises:
        TypeError: An argument is neither that method's nor the others'.
    """
    refuse_unknown(called, arguments, function, *others, also=["model_name"])
    known = known_arguments(*function) - {"model_name"}
    return {name: arguments.pop(name) for name in [*arguments] if name in known}
