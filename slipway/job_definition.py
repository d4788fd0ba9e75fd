"""What a training job's definition says beside the SDK's own: our hyperparameters' names, and our metrics."""

from collections.abc import Mapping, Sequence
from typing import Any

from container.train.metric_lines import METRIC_DEFINITIONS


def python_names(given: Mapping[str, object]) -> dict[str, Any]:
    """Hyperparameters with `-` for the `_` that Python's keywords need; the SDK's own keep theirs."""
    return {
        name if name.startswith(("sagemaker_", "_")) else name.replace("_", "-"): value for name, value in given.items()
    }


def with_own_metrics(given: Sequence[Mapping[str, Any]] | None, *, own_script: bool) -> list[Any] | None:
    """The metrics of our log's lines, and the user's, which count for more where the names are equal."""
    ours: Sequence[Mapping[str, Any]] = () if own_script else METRIC_DEFINITIONS
    return list({entry["Name"]: dict(entry) for entry in (*ours, *(given or ()))}.values()) or None
