"""Everything before the first step: pictures checked and read, the model, the batch size, and what records the job."""

import hashlib
import logging
import math
import os
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import nn

from container.atomic_file import remove_unfinished
from container.contract.channels import SPLITS
from container.contract.errors import HostsError, HyperparameterError
from container.contract.hyperparameters import TrainConfig
from container.contract.model_files import CARD
from container.contract.paths import MlPaths
from container.networks.batch_norm import fewest_pictures
from container.networks.check import check_job, check_smaller_sizes
from container.networks.inputs import preprocessing_for
from container.preprocessing import Preprocessing
from container.train.checkpoints.background_writer import BackgroundWriter
from container.train.checkpoints.checkpoint import has_checkpoint, remove_unfinished_checkpoints
from container.train.checkpoints.checkpoint_directory import checkpoint_directory
from container.train.data.batch_memory import BatchMemory, choose_batch_memory
from container.train.data.channels import Splits, check_batch_size
from container.train.data.dataset import prepare_as_served, prepare_training
from container.train.data.order import TrainOrder
from container.train.data.scan import Scan, scan
from container.train.data.training_sizes import TrainingSizes
from container.train.debugger.session import start_debugger
from container.train.device import Device, choose_device
from container.train.launch.distributed import World
from container.train.launch.stopping import GRACE_S, Stop
from container.train.loop.batch_size import checkpoint_batch_size, find_batch_size
from container.train.loop.best_model import package_versions
from container.train.loop.budget import (
    deadline_of,
    describe,
    measure,
    plan,
    plan_of_checkpoint,
    seconds_left,
    sizes_to_choose_from,
)
from container.train.loop.job import Job
from container.train.loop.larger_batch import time_steps
from container.train.loop.precision import choose_precision
from container.train.loop.pretrained import find_given, initial_model
from container.train.loop.threads import Threads
from container.train.profiler.start import start_profiler
from container.train.records.metrics_sinks import start_sinks
from container.train.records.outputs import write_unreadable
from container.train.records.saving import saving

logger = logging.getLogger(__name__)

_LAST_WRITE_S = 5  # for a model or checkpoint that is half written


def prepare(
    config: TrainConfig, splits: Splits, paths: MlPaths, stop: Stop, world: World, *, may_lower_batch_size: bool
) -> tuple[nn.Module, Job]:
    """Make the model, on the device, and the job; arguments and errors are those of `train_model`."""
    name = os.environ.get("TRAINING_JOB_NAME", "")
    given = find_given(config, paths.channels)
    has_size = config.image_size > 0
    preprocessing = preprocessing_for(config.model_type, config.image_size, given.pretrained_cfg)
    config = replace(config, image_size=preprocessing.size)
    checkpoints = checkpoint_directory(paths)
    resumes = has_checkpoint(checkpoints)
    # Before any picture is read: a misspelt network and weights of another one should fail at once.
    config = _checked_network(config)
    device = choose_device(config, world)
    threads = Threads(device, world)
    model, start = initial_model(config, len(splits.classes), given, world, resumes=resumes)
    for note in splits.notes:
        logger.info("%s", note)
    _check_same_pictures(splits, world)
    model = _on_device(model, device)
    device = choose_precision(config, model, device, preprocessing, len(splits.train), checkpoints, world)
    deadline = math.inf
    if config.budget:
        config, deadline = _plan(config, model, device, preprocessing, splits, checkpoints, stop, world, has_size)
        preprocessing = preprocessing_for(config.model_type, config.image_size, given.pretrained_cfg)
        model, start = initial_model(config, len(splits.classes), given, world, resumes=resumes)
    found = _read_pictures(config, splits, preprocessing, stop, world)
    splits = found.splits
    _report_pictures(found, paths, world)
    if may_lower_batch_size:
        config = _lower_batch_size(config, splits)
    if config.batch_size:
        _check_batch_size(config, splits, model, world)

    model = _on_device(model, device)
    if not config.batch_size:
        size = checkpoint_batch_size(checkpoints, world)
        size = size or find_batch_size(model, device, preprocessing, len(splits.train), stop, world)
        config = replace(config, batch_size=size)
        _check_batch_size(config, splits, model, world)
    batch_memory = _choose_batch_memory(config, splits, device, world)
    device = replace(device, workers=batch_memory.workers)

    sinks = start_sinks(config, paths, name) if world.is_first else []
    counts = {split: len(getattr(splits, split)) for split in SPLITS}
    timed = time_steps(config, model, device, preprocessing, len(splits.train), world)
    profiler = start_profiler(
        config, paths, world, device, job=name, pictures=counts, step_seconds=timed, versions=package_versions()
    )
    if world.is_first:
        _remove_unfinished(paths, checkpoints)
    steps = config.epochs * (len(splits.train) // config.batch_size)
    debugger = start_debugger(paths, world, debug=config.debug, steps=steps, resumes=resumes)
    writer = BackgroundWriter()
    stop.force_exit = partial(_force_exit, writer, paths, checkpoints)
    return model, Job(
        name=name,
        config=config,
        paths=paths,
        splits=splits,
        unreadable=len(found.unreadable),
        caches=found.caches,
        preprocessing=preprocessing,
        order=TrainOrder(
            count=len(splits.train), batch_size=config.batch_size, seed=config.seed, rank=world.rank, size=world.size
        ),
        class_weights=_balanced_weights(splits, device) if config.class_weights else None,
        device=device,
        threads=threads,
        batch_memory=batch_memory,
        checkpoints=checkpoints,
        start=start,
        stop=stop,
        world=world,
        sinks=sinks,
        profiler=profiler,
        debugger=debugger,
        writer=writer,
        deadline=deadline,
    )


def _on_device(model: nn.Module, device: Device) -> nn.Module:
    return model.to(device.torch_device).to(memory_format=torch.channels_last)


def _checked_network(config: TrainConfig) -> TrainConfig:
    config = check_job(config)
    if config.progressive_sizes < 1:
        sizes = TrainingSizes.of(config)
        check_smaller_sizes(config.model_type, sizes.stages)
        logger.info("progressive sizes: %s", sizes.describe())
    return config


def _plan(
    config: TrainConfig,
    model: nn.Module,
    device: Device,
    preprocessing: Preprocessing,
    splits: Splits,
    checkpoints: Path,
    stop: Stop,
    world: World,
    has_size: bool,
) -> tuple[TrainConfig, float]:
    """Choose what the budget allows; returns the hyperparameters and when training has to stop."""
    read = prepare_training(config.augmentation, config.image_size, preprocessing.interpolation)
    costs = measure(model, device, preprocessing, read, splits, config.batch_size, stop, world, budget=config.budget)
    seconds = world.share(seconds_left(config.budget))
    chosen = plan_of_checkpoint(config, checkpoints, world)
    if chosen is None:
        chosen = plan(config, costs, seconds, splits, sizes=sizes_to_choose_from(config, fixed=has_size))
    logger.info("%s", describe(chosen, costs, seconds))
    share = (chosen.image_size / config.image_size) ** 2
    return chosen, deadline_of(costs, seconds, splits, share=share)


def _check_same_pictures(splits: Splits, world: World) -> None:
    digest = hashlib.sha256()
    for name in SPLITS:
        for sample in getattr(splits, name):
            digest.update(f"{name} {sample.target} ".encode() + os.fsencode(sample.path.name) + b"\n")
    if len(set(world.gather(digest.hexdigest()))) > 1:
        counts = ", ".join(map(str, world.gather(len(splits.train))))
        raise HostsError(
            f"the hosts of this job have different pictures (train pictures by process: {counts}): give every host "
            "the whole of each channel, with the S3 data distribution type FullyReplicated; the processes share the "
            "pictures out by themselves"
        )


def _read_pictures(config: TrainConfig, splits: Splits, preprocessing: Preprocessing, stop: Stop, world: World) -> Scan:
    as_served = prepare_as_served(preprocessing)
    return scan(
        splits,
        prepare={
            "train": prepare_training(config.augmentation, config.image_size, preprocessing.interpolation),
            "validation": as_served,
            "test": as_served,
        },
        cache=config.cache,
        bad_images=config.bad_images,
        stop=stop,
        world=world,
    )


def _report_pictures(found: Scan, paths: MlPaths, world: World) -> None:
    if world.is_first:
        with saving("list of unreadable pictures", paths.output_data):
            write_unreadable(paths.output_data, found.unreadable)
    for reason in found.unreadable.values():
        logger.warning("skipped: %s", reason)
    counts = found.splits.class_counts()
    logger.info(
        "%d classes; train %d, validation %d, test %d pictures; the largest class has %d in train, the smallest %d; "
        "%d unreadable",
        len(found.splits.classes),
        *(len(getattr(found.splits, name)) for name in SPLITS),
        max(counts),
        min(counts),
        len(found.unreadable),
    )


def _lower_batch_size(config: TrainConfig, splits: Splits) -> TrainConfig:
    if config.batch_size <= len(splits.train):
        return config
    logger.info(
        "batch-size %d, as many as the train split has: the default is %d", len(splits.train), config.batch_size
    )
    return replace(config, batch_size=len(splits.train))


def _check_batch_size(config: TrainConfig, splits: Splits, model: nn.Module, world: World) -> None:
    smallest = min(TrainingSizes.of(config).stages)
    fewest = fewest_pictures(model, smallest, world.size)
    if world.size > 1 and config.batch_size < fewest * world.size:
        raise HyperparameterError(
            f"hyperparameter batch-size is {config.batch_size}, for all of the job's {world.size} processes together; "
            f"each needs {'two pictures for batch normalisation' if fewest > 1 else 'a picture'}: choose at least "
            f"{fewest * world.size}, or fewer instances"
        )
    if config.batch_size < fewest:
        raise HyperparameterError(
            f"hyperparameter batch-size is 1 and image-size {config.image_size}, which leaves batch normalisation a "
            "single value; set batch-size to at least 2"
        )
    check_batch_size(config.batch_size, splits)


def _choose_batch_memory(config: TrainConfig, splits: Splits, device: Device, world: World) -> BatchMemory:
    training = math.ceil(config.batch_size / world.size)
    evaluation = min(config.batch_size, math.ceil(max(len(splits.validation), len(splits.test)) / world.size))
    return choose_batch_memory(
        device.workers,
        batch_bytes=(training + evaluation) * config.image_size**2 * 3,
        processes=world.local_size,
    )


def _balanced_weights(splits: Splits, device: Device) -> torch.Tensor:
    """Compute `balanced` weights as scikit-learn's compute_class_weight does: pictures / (classes x pictures of the
    class)."""
    counts = torch.tensor(splits.class_counts(), dtype=torch.float32)
    return (counts.sum() / (len(counts) * counts)).to(device.torch_device)


def _remove_unfinished(paths: MlPaths, checkpoints: Path) -> None:
    """Remove what this process, or a killed one before it, did not finish writing."""
    remove_unfinished(paths.model)
    remove_unfinished(paths.output_data)
    remove_unfinished_checkpoints(checkpoints)


def _force_exit(writer: BackgroundWriter, paths: MlPaths, checkpoints: Path) -> None:
    """Exit although a step is running; see `Stop.force_exit`."""
    logger.warning(
        "the running step takes longer than %d s: the job exits within it, and will resume from its last checkpoint",
        GRACE_S,
    )
    if not writer.finishes_within(_LAST_WRITE_S):
        _remove_unfinished(paths, checkpoints)
    sys.stdout.flush()
    os._exit(0 if (paths.model / CARD).exists() else 143)
