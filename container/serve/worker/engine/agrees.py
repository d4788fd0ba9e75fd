"""Whether an engine computes what torch does."""

import logging

from container.graph.check_pictures import CheckPictures
from container.serve.settings.logs import event
from container.serve.worker.engine.engine import Engine

logger = logging.getLogger(__name__)


def agrees(engine: Engine, check: CheckPictures) -> bool:
    """Whether an engine's outputs equal torch's, up to rounding; logs how they differ."""
    why = check.disagreement(engine.logits(list(check.squares)), engine.precision)
    if why:
        logger.warning(event("engine-refused", engine=engine.name, precision=engine.precision, why=why))
    return not why
