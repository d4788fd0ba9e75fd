"""SageMaker's profiler configuration: whether, where and in which files it wants a timeline of the steps.

Source: `profilerconfig.json` as smdebug 1.0 reads it: names in any case, numbers as text.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from container.contract.errors import TrainingError
from container.contract.paths import MlPaths


@dataclass(frozen=True, kw_only=True)
class TimelineConfiguration:
    """The directory of the timeline, and the limits of its files."""

    directory: Path
    max_file_bytes: int = 10 * 2**20
    close_interval_s: float = 60.0
    """The longest time that a file may cover."""


def read_timeline_configuration(
    paths: MlPaths, environment: Mapping[str, str] = os.environ
) -> TimelineConfiguration | None:
    """Read the job's configuration; None if it has none, or that switches the profiler off.

    Raises:
        TrainingError: The configuration cannot be read.
    """
    path = Path(environment.get("SMPROFILER_CONFIG_PATH") or paths.config / "profilerconfig.json")
    try:
        fields = _lower(json.loads(path.read_text(encoding="utf-8")))
        if str(fields.get("disableprofiler", "")).lower() == "true":
            return None
        parameters = _lower(fields.get("profilingparameters") or {})
        defaults = TimelineConfiguration(directory=paths.base / "output" / "profiler")
        return TimelineConfiguration(
            directory=Path(str(parameters.get("localpath") or defaults.directory)),
            max_file_bytes=int(float(parameters.get("rotatemaxfilesizeinbytes", defaults.max_file_bytes))),
            close_interval_s=float(parameters.get("rotatefilecloseintervalinseconds", defaults.close_interval_s)),
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise TrainingError(
            f"{path} is not a profiler configuration ({type(error).__name__}: {error}); SageMaker's profiler gets no "
            "timeline of this job"
        ) from error


def _lower(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name.lower(): value for name, value in fields.items()}
