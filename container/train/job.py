"""One training job: from listed pictures to a tested model directory."""

import hashlib
import logging
import os
import platform
import sys
import traceback
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from container import artifact
from container.atomic_file import remove_unfinished
from container.errors import HostsError, HyperparameterError, TrainingError
from container.model import StateDict
from container.model_card import CARD, ModelCard
from container.paths import MlPaths
from container.preprocessing import Preprocessing
from container.train.behind import Behind
from container.train.channels import SPLITS, Splits
from container.train.checkpoint import has_checkpoint, remove_unfinished_checkpoints
from container.train.checkpoint_directory import checkpoint_directory
from container.train.dataset import prepare_as_served, prepare_training
from container.train.debugger.session import start_debugger
from container.train.device import choose_device
from container.train.distributed import World
from container.train.fit import fit
from container.train.hyperparameters import TrainConfig
from container.train.outputs import write_unreadable
from container.train.pretrained import initial_model
from container.train.profiler.start import start_profiler
from container.train.reports import write_reports
from container.train.running_job import Job, Progress
from container.train.saving import saving
from container.train.scan import Scan, scan
from container.train.sizing import earlier_batch_size, find_batch_size, out_of_memory
from container.train.stopping import LATEST_S, Interrupted, Stop
from container.train.testing import test_model
from container.train.watching import Watcher, watchers_for

logger = logging.getLogger(__name__)

_LAST_WRITE_S = 5  # for a model or checkpoint that is half written
_PACKAGES = ("torch", "torchvision", "numpy", "pillow", "safetensors", "sagemaker-training")


def train_model(config: TrainConfig, splits: Splits, paths: MlPaths, stop: Stop, world: World) -> None:
    """Train, keep the best model by evaluation loss, test it as serving would load it, and write the outputs.

    Every process of the job calls this; the first one writes.

    Raises:
        UserError: Something that the user can mend.
        Interrupted: SIGTERM came; the model directory holds the best model so far if training had begun.
    """
    for note in splits.notes:
        logger.info("%s", note)
    _check_data(splits, world)
    preprocessing = Preprocessing.for_size(config.image_size)
    found = _scan(config, splits, preprocessing, stop, world)
    splits, unreadable = found.splits, found.unreadable
    if world.is_first:
        with saving("list of unreadable pictures", paths.output_data):
            write_unreadable(paths.output_data, unreadable)
    for reason in unreadable.values():
        logger.warning("skipped: %s", reason)
    counts = splits.class_counts()
    logger.info(
        "%d classes; train %d, validation %d, test %d pictures; the largest class has %d in train, the smallest %d; "
        "%d unreadable",
        len(splits.classes),
        *(len(getattr(splits, name)) for name in SPLITS),
        max(counts),
        min(counts),
        len(unreadable),
    )
    if config.batch_size:
        _check_sizes(config, splits, world)

    device = choose_device(config, world)
    model = initial_model(config, len(splits.classes), paths.channels, world)
    model = model.to(device.torch_device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    checkpoints = checkpoint_directory(paths)
    if not config.batch_size:
        size = earlier_batch_size(checkpoints, world)
        size = size or find_batch_size(model, device, preprocessing, len(splits.train), stop, world)
        config = replace(config, batch_size=size)
        _check_sizes(config, splits, world)
    watchers: list[Watcher] = []
    if world.is_first:
        watchers = watchers_for(config, paths, _name())
    profiler = start_profiler(
        config,
        paths,
        world,
        device,
        job=_name(),
        pictures={name: len(getattr(splits, name)) for name in SPLITS},
        versions=_versions(),
    )

    steps = config.epochs * (len(splits.train) // config.batch_size)
    resumes = has_checkpoint(checkpoints)
    if world.is_first:
        _remove_unfinished(paths, checkpoints)
    debugger = start_debugger(paths, world, debug=config.debug, steps=steps, resumes=resumes)
    behind = Behind()

    def leave() -> None:
        logger.warning(
            "the running step takes longer than %d s: the job ends within it, and goes on from its last checkpoint",
            LATEST_S,
        )
        if not behind.finishes_within(_LAST_WRITE_S):
            _remove_unfinished(paths, checkpoints)
        sys.stdout.flush()
        os._exit(0 if (paths.model / CARD).exists() else 143)

    stop.leave = leave

    def save_best(tensors: StateDict, progress: Progress) -> None:
        card = ModelCard(
            architecture=config.model_type,
            classes=splits.classes,
            preprocessing=preprocessing,
            training=_training_summary(config, splits, progress, len(unreadable)),
        )

        def write() -> None:
            with saving("model", paths.model):
                artifact.save(paths.model, tensors, card)

        behind.write(write)

    job = Job(
        config=config,
        splits=splits,
        caches=found.caches,
        preprocessing=preprocessing,
        device=device,
        checkpoints=checkpoints,
        stop=stop,
        world=world,
        watchers=watchers,
        profiler=profiler,
        debugger=debugger,
        behind=behind,
        save_best=save_best,
    )
    test: dict[str, Any] = {}
    try:
        progress = fit(model, job)
        test = test_model(job, paths, progress, name=_name())
    except Interrupted:
        logger.info("stopped on request; the model directory holds the best model so far")
        profiler.gather()
        raise
    except torch.cuda.OutOfMemoryError as error:
        traceback.clear_frames(error.__traceback__)  # which hold what filled the memory
        debugger.close()  # which holds tensors, and hooks that a trial's copy would have
        raise TrainingError(out_of_memory(config, model, device, preprocessing, world)) from error
    finally:
        behind.close()
        debugger.close()
        profiler.close()
        for watcher in watchers:
            watcher.close(test)
        if world.is_first:
            write_reports(paths.output_data, tested=bool(test))


def _remove_unfinished(paths: MlPaths, checkpoints: Path) -> None:
    """What this process, or one before it that was killed, has not come to write to its end."""
    remove_unfinished(paths.model)
    remove_unfinished(paths.output_data)
    remove_unfinished_checkpoints(checkpoints)


def _scan(config: TrainConfig, splits: Splits, preprocessing: Preprocessing, stop: Stop, world: World) -> Scan:
    as_served = prepare_as_served(preprocessing)
    return scan(
        splits,
        prepare={
            "train": prepare_training(config.augmentation, config.image_size),
            "validation": as_served,
            "test": as_served,
        },
        cache=config.cache,
        bad_images=config.bad_images,
        stop=stop,
        world=world,
    )


def _check_data(splits: Splits, world: World) -> None:
    digest = hashlib.sha256()
    for name in SPLITS:
        for sample in getattr(splits, name):
            digest.update(f"{name} {sample.target} {sample.path.name}\n".encode())
    if len(set(world.gather(digest.hexdigest()))) > 1:
        counts = ", ".join(map(str, world.gather(len(splits.train))))
        raise HostsError(
            f"the hosts of this job have different pictures (train pictures by process: {counts}): give every host "
            "the whole of each channel, with the S3 data distribution type FullyReplicated; the processes share the "
            "pictures out by themselves"
        )


def _check_sizes(config: TrainConfig, splits: Splits, world: World) -> None:
    if world.size > 1 and config.batch_size < 2 * world.size:
        raise HyperparameterError(
            f"hyperparameter batch-size is {config.batch_size}, for all of the job's {world.size} processes together; "
            f"each needs two pictures for batch normalisation: choose at least {2 * world.size}, or fewer instances"
        )
    if config.batch_size == 1 and config.image_size <= 32:
        raise HyperparameterError(
            "hyperparameter batch-size is 1 and image-size 32, which leaves batch normalisation a single value; set "
            "batch-size to at least 2"
        )
    if config.batch_size > len(splits.train):
        raise HyperparameterError(
            f"hyperparameter batch-size is {config.batch_size}, but the train split has {len(splits.train)} "
            f"pictures; choose at most {len(splits.train)}"
        )


def _training_summary(config: TrainConfig, splits: Splits, progress: Progress, unreadable: int) -> dict[str, Any]:
    best = next((record for record in progress.history if record["epoch"] == progress.best_epoch), None)
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "job": _name(),
        "pictures": {name: len(getattr(splits, name)) for name in SPLITS} | {"unreadable": unreadable},
        "hyperparameters": config.to_strings(),
        "evaluation": best,
        "versions": _versions(),
    }


def _name() -> str:
    return os.environ.get("TRAINING_JOB_NAME", "")


def _versions() -> dict[str, str]:
    return {"python": platform.python_version()} | {name: version(name) for name in _PACKAGES}
