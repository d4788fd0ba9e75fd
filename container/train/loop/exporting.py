"""The export of the best model, at the end of a job."""

import logging
from pathlib import Path
from typing import Any

from container.contract.errors import ExportError
from container.export.export import export
from container.export.int8 import WANTED_PICTURES
from container.export.pictures import read_pictures
from container.train.launch.stopping import Interrupted
from container.train.loop.job import Job
from container.train.records.saving import saving

logger = logging.getLogger(__name__)


def export_best(job: Job) -> dict[str, Any]:
    """Export the model in the model directory; returns `ModelCard.export`. For the first process.

    A network that cannot be exported is no error: it is served by torch.

    Raises:
        TrainingError: The model directory cannot be written.
    """
    if not job.config.export or job.stop.requested:
        return {}
    pictures = read_pictures(_samples(job), job.preprocessing, WANTED_PICTURES)
    try:
        with saving("exported model", job.paths.model), job.profiler.phase("export"):
            card = export(job.paths.model, pictures, int8=job.config.int8, told=logger.info, stop=job.stop.check)
        return card.export
    except ExportError as error:
        logger.warning("the model was not exported (%s); servers with torch can still serve it", error)
        return {"failed": str(error)}
    except Interrupted:
        logger.warning("the export was cut short, as the job was asked to end; slipway export makes it up")
        return {}


def _samples(job: Job) -> list[tuple[Path, int]]:
    split = job.splits.validation or job.splits.test or job.splits.train
    return [(sample.path, sample.target) for sample in split]
