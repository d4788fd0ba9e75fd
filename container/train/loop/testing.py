"""The test of the best model, loaded as serving will load it, and the files that describe the result."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import torch
from torch import nn

from container import artifact
from container.contract.metric_lines import EvaluationLine, emit
from container.model_card import save_card
from container.networks.build import build_model
from container.preprocessing import Preprocessing
from container.train.data.channels import Sample
from container.train.loop.evaluate import Observe, evaluate
from container.train.loop.exporting import export_best
from container.train.loop.job import Job
from container.train.loop.loaders import evaluation_loader
from container.train.loop.progress import Progress
from container.train.records.calibration import Floats, Integers, calibrate
from container.train.records.evaluation import Evaluation
from container.train.records.label_errors import Predicted, write_label_errors
from container.train.records.logits import Logits
from container.train.records.mistakes import WrongPictures, write_mistakes
from container.train.records.outputs import write_confusion_matrix, write_per_class, write_predictions
from container.train.records.probability_metrics import probability_metrics, write_probability_metrics
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
    model = model.to(job.device.torch_device).to(memory_format=torch.channels_last)
    predicted: list[Predicted] = []
    calibration = _calibrate(model, preprocessing, job, predicted) if job.config.calibrate else {}
    wrong, logits = WrongPictures(), Logits(len(job.splits.test), len(job.splits.classes))

    def observe(of_batch: torch.Tensor, targets: torch.Tensor) -> None:
        wrong.observe(of_batch, targets)
        logits.observe(of_batch, targets)

    result = _evaluate(model, "test", preprocessing, job, observe)
    tested = logits.gather(world)
    places = logits.places(world)
    mistakes = world.gather(wrong.worst(rank=world.rank, size=world.size))
    classes = world.gather(wrong.predicted())
    if result.total < len(job.splits.test):
        logger.warning(
            "neither the worst mistakes nor the predictions of the test pictures are kept: which pictures they are is "
            "not known where some have vanished"
        )
        mistakes, classes = [], []
    else:
        predicted.append(_predicted("test", *tested, places, job.splits.test, calibration))
    job.profiler.gather()
    if not world.is_first:
        return {}
    emit(EvaluationLine(phase="TEST", loss=result.loss, correct=result.correct, total=result.total))
    test = {"best_epoch": progress.best_epoch, "test_loss": result.loss, "test_accuracy": result.accuracy}
    with saving("model", job.paths.model):
        save_card(job.paths.model, replace(card, training={**card.training, "test": test}, calibration=calibration))
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
        write_label_errors(output, predicted, card.classes)
        if classes:
            write_predictions(output, job.splits.test, classes, card.classes)
        write_probability_metrics(output, probability_metrics(*tested, calibration, card.classes))
    return test


def _calibrate(model: nn.Module, preprocessing: Preprocessing, job: Job, predicted: list[Predicted]) -> dict[str, Any]:
    """Fit `ModelCard.calibration` on the validation split, whose predictions are added to `predicted`."""
    samples = job.splits.validation
    logits = Logits(len(samples), len(job.splits.classes))
    result = _evaluate(model, "validation", preprocessing, job, logits.observe)
    validated, places = logits.gather(job.world), logits.places(job.world)
    calibration = calibrate(*validated)
    if result.total == len(samples):
        predicted.append(_predicted("validation", *validated, places, samples, calibration))
    return calibration


def _predicted(
    split: str,
    logits: Floats,
    targets: Integers,
    places: Integers,
    samples: Sequence[Sample],
    calibration: Mapping[str, Any],
) -> Predicted:
    return Predicted(
        split, logits / calibration.get("temperature", 1.0), targets, [samples[place] for place in places.tolist()]
    )


def _evaluate(
    model: nn.Module, split: Literal["validation", "test"], preprocessing: Preprocessing, job: Job, observe: Observe
) -> Evaluation:
    with evaluation_loader(job, split, preprocessing, last=1) as loader, job.profiler.phase("test"):
        return evaluate(
            model,
            loader.batches(1),
            class_count=len(job.splits.classes),
            preprocessing=preprocessing,
            device=job.device,
            class_weights=job.class_weights,
            stop=job.stop,
            world=job.world,
            observe=observe,
        )
