"""One training job: from listed pictures to a tested model directory."""

import logging
import traceback
from typing import Any

from container.contract.errors import TrainingError
from container.contract.hyperparameters import TrainConfig
from container.contract.paths import MlPaths
from container.out_of_memory import is_out_of_memory
from container.train.data.channels import Splits
from container.train.launch.distributed import World
from container.train.launch.stopping import Interrupted, Stop
from container.train.loop.batch_size import explain_out_of_memory
from container.train.loop.fit import explain_divergence, fit
from container.train.loop.losses import LossNotFinite
from container.train.loop.prepare import prepare
from container.train.loop.testing import test_model
from container.train.records.reports import write_reports

logger = logging.getLogger(__name__)


def train_model(
    config: TrainConfig,
    splits: Splits,
    paths: MlPaths,
    stop: Stop,
    world: World,
    *,
    may_lower_batch_size: bool = False,
) -> None:
    """Train, keep the best model by evaluation loss, test it as serving would load it, and write the outputs.

    Every process of the job calls this; the first one writes.

    Args:
        config: The hyperparameters.
        splits: The pictures.
        paths: The job's directories.
        stop: Whether the job was asked to end.
        world: Its processes.
        may_lower_batch_size: Lower a batch size larger than the train split to it, because nobody chose it.

    Raises:
        UserError: Something that the user can fix.
        Interrupted: SIGTERM came; the model directory holds the best model so far if training had begun.
    """
    model, job = prepare(config, splits, paths, stop, world, may_lower_batch_size=may_lower_batch_size)
    test: dict[str, Any] = {}
    try:
        progress = fit(model, job)
        test = test_model(job, progress)
    except Interrupted:
        logger.info("stopped on request; the model directory holds the best model so far")
        job.profiler.gather()
        raise
    except LossNotFinite as found:
        raise TrainingError(explain_divergence(job, found)) from found
    except RuntimeError as error:
        if not is_out_of_memory(error) or "DefaultCPUAllocator" in str(error):  # failure.py explains the latter
            raise
        traceback.clear_frames(error.__traceback__)  # they hold what filled the memory
        job.debugger.close()  # it holds tensors, and hooks that a trial's copy would have
        raise TrainingError(explain_out_of_memory(job.config, model, job.device, job.preprocessing, world)) from error
    finally:
        job.writer.close()
        job.debugger.close()
        job.profiler.close()
        for sink in job.sinks:
            sink.close(test)
        if world.is_first:
            write_reports(paths.output_data, tested=bool(test))
