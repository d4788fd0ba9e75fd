"""The export of the best model, at the end of a job."""

import logging
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from container.contract.errors import ExportError
from container.first_line import first_line
from container.imports import uncollected
from container.train.launch.stopping import Interrupted
from container.train.loop.job import Job

logger = logging.getLogger(__name__)


def export_best(job: Job) -> dict[str, Any]:
    """Export the model in the model directory; returns `ModelCard.export`. For the first process.

    Whatever fails here is a warning: the model is already there, and is served by torch.
    """
    if not job.config.export or job.stop.requested:
        return {}
    try:
        with job.profiler.phase("export"):
            return _export(job)
    except Interrupted:
        logger.warning("the export was cut short, as the job was asked to end; slipway export makes it up")
        return {}
    except Exception as error:  # noqa: BLE001 - no fault of the export may cost the trained model
        reason = str(error) if isinstance(error, ExportError) else f"{type(error).__name__}: {first_line(error)}"
        logger.warning("the model was not exported (%s); servers with torch can still serve it", reason)
        return {"failed": reason}


def _export(job: Job) -> dict[str, Any]:
    if missing := [name for name in ("onnx", "onnxscript", "openvino") if find_spec(name) is None]:
        raise ExportError(f"{' and '.join(missing)} not installed")
    # Only here: training starts without them, and runs where they are missing.
    with uncollected():
        from container.export.export import export
        from container.export.int8 import WANTED_PICTURES
        from container.export.pictures import read_pictures

    pictures = read_pictures(_samples(job), job.preprocessing, WANTED_PICTURES)
    card = export(job.paths.model, pictures, int8=job.config.int8, told=logger.info, stop=job.stop.check)
    return card.export


def _samples(job: Job) -> list[tuple[Path, int]]:
    split = job.splits.validation or job.splits.test or job.splits.train
    return [(sample.path, sample.target) for sample in split]
