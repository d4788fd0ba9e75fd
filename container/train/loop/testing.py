"""The test of the best model, loaded as serving will load it, and the files that describe the result."""

import logging
from dataclasses import replace
from typing import Any

import torch

from container import artifact
from container.contract.metric_lines import EvaluationLine, emit
from container.model_card import save_card
from container.networks.build import build_model
from container.train.loop.evaluate import evaluate
from container.train.loop.exporting import export_best
from container.train.loop.job import Job
from container.train.loop.loaders import evaluation_loader
from container.train.loop.progress import Progress
from container.train.records.mistakes import WrongPictures, write_mistakes
from container.train.records.outputs import write_confusion_matrix, write_per_class
from container.train.records.reports import write_job_card
from container.train.records.saving import saving

logger = logging.getLogger(__name__)


def test_model(job: Job, progress: Progress) -> dict[str, Any]:
    """Test the model that is in the model directory; returns the record of it, empty except in the first process.

    Args:
        job: The job.
        progress: The progress at the end of training.
    """
    world, output = job.world, job.paths.output_data
    if world.is_first:
        model, card = artifact.load(job.paths.model)
        preprocessing = card.preprocessing
    else:
        model = build_model(job.config.model_type, len(job.splits.classes), image_size=job.preprocessing.size)
        preprocessing = job.preprocessing
    model.load_state_dict(world.share(dict(model.state_dict())))
    model = model.to(job.device.torch_device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    wrong = WrongPictures()
    with evaluation_loader(job, "test", preprocessing, last=1) as loader, job.profiler.phase("test"):
        result = evaluate(
            model,
            loader.batches(1),
            class_count=len(job.splits.classes),
            preprocessing=preprocessing,
            device=job.device,
            class_weights=job.class_weights,
            stop=job.stop,
            world=world,
            observe=wrong.observe,
        )
    mistakes = world.gather(wrong.worst(rank=world.rank, size=world.size))
    if result.total < len(job.splits.test):
        logger.warning("the worst mistakes are not kept: which pictures they are is not known where some have vanished")
        mistakes = []
    job.profiler.gather()
    if not world.is_first:
        return {}
    emit(EvaluationLine(phase="TEST", loss=result.loss, correct=result.correct, total=result.total))
    test = {"best_epoch": progress.best_epoch, "test_loss": result.loss, "test_accuracy": result.accuracy}
    with saving("model", job.paths.model):
        save_card(job.paths.model, replace(card, training={**card.training, "test": test}))
    exported = export_best(job)
    with job.profiler.phase("report"), saving("output", output):
        counts = job.splits.class_counts()
        write_confusion_matrix(output, card.classes, result)
        write_per_class(output, card.classes, counts, result)
        write_job_card(
            output,
            job=job.name,
            settings=job.config.to_strings(),
            classes=card.classes,
            train_counts=counts,
            best_epoch=progress.best_epoch,
            exported=exported,
        )
        write_mistakes(output, mistakes, job.splits.test, card.classes)
    return test
