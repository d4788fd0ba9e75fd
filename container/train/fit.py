"""The epochs of a job: train, evaluate, keep the best, checkpoint, stop early."""

import logging
import math
import time
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from container.errors import TrainingError
from container.train.behind import copied
from container.train.checkpoint import has_checkpoint
from container.train.dataset import EvaluationPictures, TrainPictures
from container.train.engine import Evaluation, WholeBatch, evaluate, train_steps
from container.train.hyperparameters import TrainConfig
from container.train.loading import Loader
from container.train.losses import Logged, Losses, LossNotFinite
from container.train.metric_lines import EvaluationLine, TrainLine, emit
from container.train.order import Key, TrainOrder, in_order
from container.train.resuming import Saves, resume, write_behind
from container.train.running_job import Job, Progress
from container.train.stopping import Interrupted

logger = logging.getLogger(__name__)

# So many pictures of a batch are named where its loss is not finite.
_NAMED = 8


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
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=config.opt_learning_rate, weight_decay=config.opt_weight_decay, fused=True
    )
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, config.lr_sched_step_size, config.lr_sched_gamma)
    scaler = torch.amp.GradScaler(device.torch_device.type, enabled=device.scales_gradients)
    parts: dict[str, Any] = {"model": model, "optimizer": optimizer, "scheduler": scheduler, "scaler": scaler}
    parts["debugger"] = job.debugger
    progress = resume(job, parts) or Progress()

    if config.compile:
        model.compile()  # in place: the state dict keeps its names
    job.debugger.watch(model)
    order = TrainOrder(
        count=len(job.splits.train), batch_size=config.batch_size, seed=config.seed, rank=world.rank, size=world.size
    )
    steps_per_epoch = order.steps()
    train_loader, validation_loader = _loaders(job, order)
    class_weights = job.class_weights()
    network: nn.Module | None = None
    losses = Losses(world, device, done=0, count=0)
    saves = Saves(config)
    try:
        try:
            while progress.epoch <= config.epochs and not _is_over(progress, config):
                # An interruption's own time does not count.
                started = time.perf_counter() - progress.train_s
                _set_trainable(model, head_only=progress.epoch <= config.freeze_epochs)
                if network is None or progress.epoch == config.freeze_epochs + 1:
                    network = world.parallel(model)
                whole = order.whole(progress.epoch)
                losses = Losses(world, device, done=progress.step, count=steps_per_epoch)
                job.debugger.train()
                for step in train_steps(
                    network,
                    train_loader.batches(progress.epoch, progress.step),
                    _weigh(job, whole[progress.step :], class_weights),
                    optimizer,
                    scaler,
                    losses=losses,
                    world=world,
                    preprocessing=job.preprocessing,
                    device=device,
                    class_weights=class_weights,
                    label_smoothing=config.label_smoothing,
                    timer=job.profiler.begin_epoch(
                        progress.epoch,
                        step=(progress.epoch - 1) * steps_per_epoch + progress.step + 1,
                        steps=steps_per_epoch - progress.step,
                    ),
                    debugger=job.debugger,
                ):
                    progress.step += 1
                    progress.train_s = time.perf_counter() - started
                    _log(job, progress, step.logged, steps_per_epoch)
                    if world.check(job.stop, saves.is_due_within_epoch()) and progress.step < steps_per_epoch:
                        _log(job, progress, [*losses.read()], steps_per_epoch)
                        write_behind(job, parts, progress)

                trained_s = time.perf_counter() - started
                with job.profiler.phase("evaluation"):
                    world.equalize_buffers(model)
                    job.debugger.evaluate()
                    result = evaluate(
                        model,
                        validation_loader.batches(progress.epoch),
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
                if saves.is_due_after(progress.epoch - 1):
                    write_behind(job, parts, progress)
                job.profiler.end_epoch()
        except Interrupted:
            _log(job, progress, [*losses.read()], steps_per_epoch)
            if world.is_first and progress.best_tensors is None:
                job.save_best(copied(model.state_dict()), progress)
            write_behind(job, parts, progress)
            raise
        finally:
            train_loader.close()
            validation_loader.close()
            job.behind.wait()
    except LossNotFinite as found:
        raise TrainingError(_diverged(job, found, order.whole(progress.epoch)[found.step - 1])) from found
    return progress


def _loaders(job: Job, order: TrainOrder) -> tuple[Loader, Loader]:
    """Of training and of the evaluation after each epoch."""
    config, world = job.config, job.world
    pictures = TrainPictures(
        job.splits.train,
        config.augmentation,
        config.image_size,
        config.seed,
        cache=job.caches.get("train"),
        bad_images=config.bad_images,
    )
    mine = range(world.rank, len(job.splits.validation), world.size)
    evaluated = EvaluationPictures(
        [job.splits.validation[index] for index in mine],
        job.preprocessing,
        cache=job.caches.get("validation"),
        indices=mine,
    )
    batches = in_order(len(mine), config.batch_size)
    shape: dict[str, Any] = {"last": config.epochs, "workers": job.device.workers, "pin": job.device.is_cuda}
    return (
        Loader(pictures, order.share, steps=order.steps(), **shape),
        Loader(evaluated, lambda _epoch: batches, steps=len(batches), **shape),
    )


def _log(job: Job, progress: Progress, logged: Sequence[Logged], steps_per_epoch: int) -> None:
    """Whatever the engine has to log after a step, and the watchers' own."""
    earlier = (progress.epoch - 1) * steps_per_epoch
    total = len(job.splits.train)
    for each in logged:
        progress.losses.append(each.loss)
        if job.world.is_first:
            seen = min(total, each.step * job.config.batch_size)
            emit(TrainLine(epoch=progress.epoch, seen=seen, total=total, loss=each.loss))
        for watcher in job.watchers:
            watcher.after_step(earlier + each.step, each.loss)


def _diverged(job: Job, found: LossNotFinite, keys: Sequence[Key]) -> str:
    names = [job.splits.train[index].path.name for _, index in keys[:_NAMED]]
    more = f" and {len(keys) - _NAMED} more" if len(keys) > _NAMED else ""
    message = (
        f"the training loss is {found.value} at batch {found.step} of its epoch (pictures {', '.join(names)}{more}): "
        "training diverged. Lower opt-learning-rate (a tenth is a good next try), or set amp to off"
    )
    if has_checkpoint(job.checkpoints):
        message += f". The last checkpoint in {job.checkpoints} is from before"
    return message


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
                progress.best_tensors = copied(model.state_dict())
                job.save_best(progress.best_tensors, progress)
    else:
        progress.epochs_without_improvement += 1


def _weigh(job: Job, batches: Sequence[Sequence[Key]], class_weights: torch.Tensor | None) -> list[WholeBatch]:
    """Reckoned alike by every process from what all know."""
    weights = [1.0] * len(job.splits.classes) if class_weights is None else class_weights.tolist()
    samples = job.splits.train
    return [
        WholeBatch(pictures=len(keys), weight=sum(weights[samples[index].target] for _, index in keys))
        for keys in batches
    ]


def _set_trainable(model: nn.Module, *, head_only: bool) -> None:
    """Training mode; with `head_only` the body neither learns nor moves its batch statistics."""
    model.train()
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(not head_only or name.startswith("fc."))
    if head_only:
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
