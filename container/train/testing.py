"""The test of the best model, as serving will load it, and what is written about it."""

import logging
from dataclasses import replace
from typing import Any

import torch

from container import artifact
from container.model import build_model
from container.model_card import save_card
from container.paths import MlPaths
from container.train.dataset import EvaluationPictures
from container.train.engine import evaluate
from container.train.loading import Loader
from container.train.metric_lines import EvaluationLine, emit
from container.train.mistakes import WrongPictures, write_mistakes
from container.train.order import in_order
from container.train.outputs import write_confusion_matrix, write_per_class
from container.train.reports import write_job_card
from container.train.running_job import Job, Progress
from container.train.saving import saving

logger = logging.getLogger(__name__)


def test_model(job: Job, paths: MlPaths, progress: Progress, *, name: str) -> dict[str, Any]:
    """Test the model that is in the model directory; returns the record of it, empty but in the first process.

    Args:
        job: The job.
        paths: Its directories.
        progress: At its end.
        name: The job's.
    """
    world = job.world
    if world.is_first:
        model, card = artifact.load(paths.model)
        preprocessing = card.preprocessing
    else:
        model = build_model(job.config.model_type, len(job.splits.classes))
        preprocessing = job.preprocessing
    model.load_state_dict(world.share(dict(model.state_dict())))
    model = model.to(job.device.torch_device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    mine = range(world.rank, len(job.splits.test), world.size)
    batches = in_order(len(mine), job.config.batch_size)
    pictures = EvaluationPictures(
        [job.splits.test[index] for index in mine], preprocessing, cache=job.caches.get("test"), indices=mine
    )
    loader = Loader(
        pictures,
        lambda _epoch: batches,
        steps=len(batches),
        last=1,
        workers=job.device.workers,
        pin=job.device.is_cuda,
    )
    wrong = WrongPictures()
    with job.profiler.phase("test"):
        result = evaluate(
            model,
            loader.batches(1),
            class_count=len(job.splits.classes),
            preprocessing=preprocessing,
            device=job.device,
            class_weights=job.class_weights(),
            stop=job.stop,
            world=world,
            observe=wrong.observe,
        )
    loader.close()
    mistakes = world.gather(wrong.worst(rank=world.rank, size=world.size))
    if result.total < len(job.splits.test):
        logger.warning("the worst mistakes are not kept: which pictures they are is not known where some have vanished")
        mistakes = []
    job.profiler.gather()
    if not world.is_first:
        return {}
    emit(EvaluationLine(phase="TEST", loss=result.loss, correct=result.correct, total=result.total))
    test = {"best_epoch": progress.best_epoch, "test_loss": result.loss, "test_accuracy": result.accuracy}
    with saving("model", paths.model):
        save_card(paths.model, replace(card, training={**card.training, "test": test}))
    with job.profiler.phase("report"), saving("output", paths.output_data):
        counts = job.splits.class_counts()
        write_confusion_matrix(paths.output_data, card.classes, result)
        write_per_class(paths.output_data, card.classes, counts, result)
        write_job_card(
            paths.output_data,
            job=name,
            settings=job.config.to_strings(),
            classes=card.classes,
            train_counts=counts,
            best_epoch=progress.best_epoch,
        )
        write_mistakes(paths.output_data, mistakes, job.splits.test, card.classes)
    return test
