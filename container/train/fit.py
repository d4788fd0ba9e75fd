"""The epochs of a job: train, evaluate, keep the best, checkpoint, stop early."""

import hashlib
import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from container.errors import TrainingError
from container.model import StateDict
from container.preprocessing import Preprocessing
from container.train.channels import Splits
from container.train.checkpoint import differences, read_newest_checkpoint, write_checkpoint
from container.train.dataset import (
    EpochSampler,
    EvaluationPictures,
    TrainBatchSampler,
    TrainPictures,
    evaluation_loader,
    train_loader,
)
from container.train.debugger.session import Debugger
from container.train.device import Device
from container.train.distributed import World
from container.train.engine import Evaluation, WholeBatch, evaluate, train_steps
from container.train.hyperparameters import TrainConfig
from container.train.metric_lines import EvaluationLine, TrainLine, emit
from container.train.profiler.profiler import Profiler
from container.train.saving import saving
from container.train.stopping import Interrupted, Stop
from container.train.watching import Watcher

logger = logging.getLogger(__name__)

# Hyperparameters that may change between an interruption and the restart: they do not change what was learnt.
_MAY_CHANGE = frozenset(
    ("epochs", "early-stopping-patience", "num-workers", "checkpoint-every", "wandb", "debug", "profile", "use-cuda")
)


@dataclass
class Progress:
    """How far a job has come; all of it is in every checkpoint."""

    epoch: int = 1
    """Counted from 1; the one that is running."""
    step: int = 0
    """Steps of it already done."""
    best_epoch: int = 0
    """0 until the first evaluation."""
    best_loss: float = math.inf
    epochs_without_improvement: int = 0
    losses: list[float] = field(default_factory=list)
    """Of the batches of the running epoch that were logged."""
    train_s: float = 0.0
    """Seconds of the running epoch's steps so far, those before an interruption included."""
    history: list[dict[str, Any]] = field(default_factory=list)
    """A record for each finished epoch, as in metrics.jsonl."""
    best_tensors: StateDict | None = None
    """The best epoch's state dict on the CPU: the model directory does not outlive a lost host."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What does not change while a job runs."""

    config: TrainConfig
    splits: Splits
    preprocessing: Preprocessing
    device: Device
    checkpoints: Path
    stop: Stop
    world: World
    watchers: Sequence[Watcher]
    """None but in the first process."""
    profiler: Profiler
    debugger: Debugger
    save_best: Callable[[StateDict, Progress], None]
    """Writes the model directory; called whenever the evaluation loss is the lowest so far, in the first process."""

    def class_weights(self) -> torch.Tensor | None:
        """`balanced` weights: pictures / (classes x pictures of the class), as scikit-learn's
        compute_class_weight has them."""
        if not self.config.class_weights:
            return None
        counts = torch.tensor(self.splits.class_counts(), dtype=torch.float32)
        return (counts.sum() / (len(counts) * counts)).to(self.device.torch_device)

    def fingerprint(self) -> dict[str, Any]:
        """What a checkpoint must agree with to be gone on from."""
        values = {name: value for name, value in self.config.to_strings().items() if name not in _MAY_CHANGE}
        names = "\n".join(f"{sample.target} {sample.path.name}" for sample in self.splits.train)
        pictures = hashlib.sha256(names.encode()).hexdigest()[:16]
        return {**values, "classes": list(self.splits.classes), "training pictures": pictures}


def fit(model: nn.Module, job: Job) -> Progress:
    """Train to the last epoch, or until early stopping or SIGTERM; goes on from the newest checkpoint.

    Args:
        model: On the job's device; trained in place.
        job: Everything else.

    Returns:
        The progress at the end; the best model is where `job.save_best` put it.

    Raises:
        Interrupted: SIGTERM came; the best model so far, or the present one if none was evaluated, is saved.
        TrainingError: The loss is not finite, or the disk is full.
    """
    config, device, world = job.config, job.device, job.world
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.opt_learning_rate, weight_decay=config.opt_weight_decay)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, config.lr_sched_step_size, config.lr_sched_gamma)
    scaler = torch.amp.GradScaler(device.torch_device.type, enabled=device.scales_gradients)
    parts: dict[str, Any] = {"model": model, "optimizer": optimizer, "scheduler": scheduler, "scaler": scaler}
    parts["debugger"] = job.debugger
    progress = _resume(job, parts) or Progress()

    if config.compile:
        model.compile()  # in place: the state dict keeps its names
    job.debugger.watch(model)
    sampler = EpochSampler(len(job.splits.train), config.seed)
    batches = TrainBatchSampler(sampler, config.batch_size, rank=world.rank, size=world.size)
    steps_per_epoch = len(batches)
    train_batches = train_loader(
        TrainPictures(job.splits.train, config.augmentation, config.image_size, config.seed),
        batches,
        workers=device.workers,
        pin=device.is_cuda,
    )
    validation_batches = evaluation_loader(
        EvaluationPictures(job.splits.validation[world.rank :: world.size], job.preprocessing),
        batch_size=config.batch_size,
        workers=device.workers,
        pin=device.is_cuda,
    )
    class_weights = job.class_weights()
    network: nn.Module | None = None
    try:
        while progress.epoch <= config.epochs and not _is_over(progress, config):
            # An interruption's own time does not count.
            started = time.perf_counter() - progress.train_s
            sampler.epoch, sampler.skip = progress.epoch, progress.step * config.batch_size
            _set_trainable(model, head_only=progress.epoch <= config.freeze_epochs)
            if network is None or progress.epoch == config.freeze_epochs + 1:
                network = world.parallel(model)
            seen = sampler.skip
            job.debugger.train()
            for step in train_steps(
                network,
                train_batches,
                _whole_batches(job, batches, class_weights),
                optimizer,
                scaler,
                world=world,
                preprocessing=job.preprocessing,
                device=device,
                class_weights=class_weights,
                label_smoothing=config.label_smoothing,
                steps_done=progress.step,
                timer=job.profiler.begin_epoch(
                    progress.epoch, step=(progress.epoch - 1) * steps_per_epoch + progress.step + 1, steps=len(batches)
                ),
                debugger=job.debugger,
            ):
                progress.step += 1
                progress.train_s = time.perf_counter() - started
                seen += step.pictures
                if step.loss is not None:
                    progress.losses.append(step.loss)
                    if world.is_first:
                        emit(TrainLine(epoch=progress.epoch, seen=seen, total=sampler.count, loss=step.loss))
                for watcher in job.watchers:
                    watcher.after_step((progress.epoch - 1) * steps_per_epoch + progress.step, step.loss)
                world.check(job.stop)

            trained_s = time.perf_counter() - started
            with job.profiler.phase("evaluation"):
                world.equalize_buffers(model)
                job.debugger.evaluate()
                result = evaluate(
                    model,
                    validation_batches,
                    class_count=len(job.splits.classes),
                    preprocessing=job.preprocessing,
                    device=device,
                    class_weights=class_weights,
                    stop=job.stop,
                    world=world,
                    debugger=job.debugger,
                )
            if world.is_first:
                emit(EvaluationLine(phase="EVAL", loss=result.loss, correct=result.correct, total=result.total))
            _finish_epoch(model, job, progress, result, optimizer, trained_s)
            scheduler.step()
            progress.epoch, progress.step, progress.losses, progress.train_s = progress.epoch + 1, 0, [], 0.0
            if (progress.epoch - 1) % config.checkpoint_every == 0:
                _checkpoint(job, parts, progress)
            job.profiler.end_epoch()
    except Interrupted:
        if world.is_first and progress.best_tensors is None:
            job.save_best(_copy_tensors(model), progress)
        _checkpoint(job, parts, progress)
        raise
    return progress


def _is_over(progress: Progress, config: TrainConfig) -> bool:
    if progress.epochs_without_improvement < config.early_stopping_patience:
        return False
    logger.info(
        "early stopping: the evaluation loss has not fallen below %.4f for %d epochs",
        progress.best_loss,
        progress.epochs_without_improvement,
    )
    return True


def _finish_epoch(
    model: nn.Module,
    job: Job,
    progress: Progress,
    result: Evaluation,
    optimizer: torch.optim.Optimizer,
    trained_s: float,
) -> None:
    """Record the epoch and keep the model if it is the best so far."""
    if not math.isfinite(result.loss):
        raise TrainingError(
            f"the evaluation loss is {result.loss} after epoch {progress.epoch}: training diverged. Lower "
            "opt-learning-rate (a tenth is a good next try), or set amp to off"
        )
    record = {
        "epoch": progress.epoch,
        "train_loss": sum(progress.losses) / max(1, len(progress.losses)),
        "eval_loss": result.loss,
        "eval_accuracy": result.accuracy,
        "learning_rate": optimizer.param_groups[0]["lr"],
        "train_seconds": round(trained_s, 3),
    }
    progress.history.append(record)
    for watcher in job.watchers:
        watcher.after_epoch(progress.history)
    if result.loss < progress.best_loss:
        progress.best_loss, progress.best_epoch = result.loss, progress.epoch
        progress.epochs_without_improvement = 0
        if job.world.is_first:
            with job.profiler.phase("model"):
                progress.best_tensors = _copy_tensors(model)
                job.save_best(progress.best_tensors, progress)
    else:
        progress.epochs_without_improvement += 1


def _whole_batches(job: Job, batches: TrainBatchSampler, class_weights: torch.Tensor | None) -> list[WholeBatch]:
    """What is left of the epoch, reckoned alike by every process from what all know."""
    weights = [1.0] * len(job.splits.classes) if class_weights is None else class_weights.tolist()
    samples = job.splits.train
    return [
        WholeBatch(pictures=len(keys), weight=sum(weights[samples[index].target] for _, index in keys))
        for keys in batches.whole()
    ]


def _copy_tensors(model: nn.Module) -> StateDict:
    return {name: value.detach().to("cpu", copy=True) for name, value in model.state_dict().items()}


def _set_trainable(model: nn.Module, *, head_only: bool) -> None:
    """Training mode; with `head_only` the body neither learns nor moves its batch statistics."""
    model.train()
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(not head_only or name.startswith("fc."))
    if head_only:
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()


def _checkpoint(job: Job, parts: dict[str, Any], progress: Progress) -> None:
    """Write a checkpoint if the job has a directory for them; a full disk there costs a warning, not the job."""
    if not job.world.is_first or not job.checkpoints.is_dir():
        return
    content: dict[str, Any] = {name: part.state_dict() for name, part in parts.items()}
    # Not dataclasses.asdict, which would copy the tensors once more.
    content |= {"progress": dict(vars(progress)), "fingerprint": job.fingerprint()}
    try:
        with job.profiler.phase("checkpoint"), saving("checkpoint", job.checkpoints):
            write_checkpoint(job.checkpoints, progress.epoch, progress.step, content)
    except TrainingError as error:
        logger.warning("%s; training goes on without it", error)


def _resume(job: Job, parts: dict[str, Any]) -> Progress | None:
    # The first process's choice: on SageMaker every host has a directory of its own.
    content = job.world.share(read_newest_checkpoint(job.checkpoints) if job.world.is_first else None)
    if content is None:
        return None
    if differing := list(differences(content["fingerprint"], job.fingerprint())):
        raise TrainingError(
            f"the checkpoints in {job.checkpoints} are another job's: {'; '.join(differing[:3])}. Use an empty "
            "checkpoint directory, or the earlier job's settings"
        )
    for name, part in parts.items():
        if content.get(name):  # a gradient scaler that was not in use has no state, and takes none
            part.load_state_dict(content[name])
    progress = Progress(**content["progress"])
    if not job.world.is_first:
        progress.best_tensors = None
    elif progress.best_tensors is not None:
        job.save_best(progress.best_tensors, progress)
    for watcher in job.watchers:
        watcher.after_epoch(progress.history)
    logger.info("resuming from the checkpoint of epoch %d, step %d", progress.epoch, progress.step)
    return progress
