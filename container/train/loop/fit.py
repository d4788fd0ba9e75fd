"""The training loop: train an epoch, evaluate, keep the best model, checkpoint, stop early."""

import logging
import math
import time
from collections.abc import Iterable
from typing import Any

from torch import nn

from container.contract.errors import TrainingError
from container.contract.hyperparameters import TrainConfig
from container.contract.metric_lines import EvaluationLine, TrainLine, emit
from container.folder import printable
from container.networks.head import head_names
from container.train.checkpoints.background_writer import copied
from container.train.checkpoints.checkpoint import has_checkpoint
from container.train.data.loading import EpochLoader
from container.train.launch.stopping import Interrupted
from container.train.loop.averaging import AveragedWeights
from container.train.loop.best_model import save_model
from container.train.loop.checkpointing import Checkpoints
from container.train.loop.evaluate import evaluate
from container.train.loop.job import Job
from container.train.loop.loaders import evaluation_loader, train_loader
from container.train.loop.losses import Logged, LossNotFinite
from container.train.loop.mixing import Mixing
from container.train.loop.optimizer import make_optimizer
from container.train.loop.probe import can_probe, probe
from container.train.loop.progress import Progress
from container.train.loop.schedule import Schedule
from container.train.loop.stepper import Stepper, seed_step
from container.train.records.evaluation import Evaluation

logger = logging.getLogger(__name__)

# What is due after a step.
_CHECKPOINT, _LATE = 1, 2
# How many pictures of a batch are named if its loss is not finite.
_NAMED = 8


def fit(model: nn.Module, job: Job) -> Progress:
    """Train to the last epoch, or until early stopping or SIGTERM; resumes from the newest checkpoint.

    Args:
        model: On the job's device; trained in place.
        job: Everything else.

    Returns:
        The progress at the end; the best model is in the model directory.

    Raises:
        Interrupted: SIGTERM came; the best model so far, or the current one if none was evaluated, is saved.
        LossNotFinite: Training diverged (see `explain_divergence`).
        TrainingError: The evaluation loss is not finite, or the disk is full.
    """
    config, world = job.config, job.world
    steps = job.order.steps()
    optimizer = make_optimizer(model, config)
    schedule = Schedule(optimizer, config, steps=steps)
    averages = AveragedWeights(model, config.ema_decay)
    stepper = Stepper(
        model,
        optimizer,
        world=world,
        device=job.device,
        preprocessing=job.preprocessing,
        class_weights=job.class_weights,
        label_smoothing=config.label_smoothing,
        mixing=Mixing(mixup=config.mixup, cutmix=config.cutmix, seed=config.seed, rank=world.rank),
        clip_grad=config.clip_grad,
        averages=averages,
        head=head_names(config.model_type, model),
        keeps_statistics=config.probe == "first" and can_probe(model, config.model_type),
        debugger=job.debugger,
    )
    parts = {"model": model, "optimizer": optimizer, "scheduler": schedule, "scaler": stepper.scaler}
    checkpoints = Checkpoints(job, {**parts, "averages": averages, "debugger": job.debugger})
    progress = checkpoints.resume()
    if progress is None:
        job.start.log()
        progress = Progress(weights=job.start.weights)
        if config.probe != "off":
            _probe(model, job, progress)
            checkpoints.write(progress)
    progress.planned_epochs = 0 if config.probe == "only" else config.epochs
    if config.compile:
        model.compile()  # in place: the state dict keeps its names
    job.debugger.watch(model)

    train, validation = train_loader(job), evaluation_loader(job, "validation", job.preprocessing, last=config.epochs)
    with job.writer, train, validation:
        try:
            while progress.epoch <= progress.planned_epochs and not _stops_early(progress, config):
                epoch = progress.epoch
                started = time.perf_counter() - progress.train_s  # the time of an interruption does not count
                stepper.begin_epoch(epoch, count=steps, done=progress.step, head_only=epoch <= config.freeze_epochs)
                batches = train.batches(epoch, progress.step)
                weights = _batch_weights(job, epoch)[progress.step :]
                job.debugger.train()
                stepper.timer = job.profiler.begin_epoch(
                    epoch, step=(epoch - 1) * steps + progress.step + 1, steps=steps - progress.step
                )
                for batch, weight in zip(batches, weights, strict=True):
                    number = (epoch - 1) * steps + progress.step
                    schedule.before_step(number)
                    seed_step(config.seed, number, world)
                    job.threads.adapt()
                    with stepper.step(batch, weight) as logged:
                        progress.step += 1
                        progress.train_s = time.perf_counter() - started
                        _log(job, progress, logged)
                        if _is_over(job, progress, stepper, checkpoints, steps=steps):
                            break

                trained_s = time.perf_counter() - started
                with averages.in_place():
                    result = _evaluate(model, validation, job, epoch)
                    _record_epoch(job, progress, result, learning_rate=schedule.learning_rate, seconds=trained_s)
                    _keep_if_best(model, job, progress, result.loss)
                schedule.after_epoch()
                progress.next_epoch()
                last = epoch + world.share(_epochs_left(job, seconds=time.perf_counter() - started))
                if last < progress.planned_epochs:
                    logger.info("budget: there is time for %d epoch%s in all", last, "s" * (last != 1))
                    progress.planned_epochs = schedule.epochs = last
                if checkpoints.is_due_after(epoch):
                    checkpoints.write(progress)
                job.profiler.end_epoch()
        except Interrupted:
            _log(job, progress, stepper.losses.read())
            if world.is_first and progress.best_tensors is None:
                with averages.in_place():
                    save_model(job, copied(model.state_dict()), progress)
            checkpoints.write(progress)
            raise
    return progress


def _is_over(job: Job, progress: Progress, stepper: Stepper, checkpoints: Checkpoints, *, steps: int) -> bool:
    """Write a checkpoint within an epoch if one is due; returns whether the budget ends the epoch.

    Raises:
        Interrupted: The job was asked to end.
    """
    wish = _CHECKPOINT * checkpoints.is_due_within_epoch() | _LATE * job.is_late()
    due = job.world.check(job.stop, wish)
    if due and progress.step < steps:
        _log(job, progress, stepper.losses.read())
        if due & _CHECKPOINT:
            checkpoints.write(progress)
    if due & _LATE:
        logger.info("the budget ends at step %d of epoch %d", progress.step, progress.epoch)
    return bool(due & _LATE)


def _epochs_left(job: Job, *, seconds: float) -> int:
    """How many more epochs of this length the budget has time for."""
    if job.is_late():
        return 0
    return job.config.epochs if job.deadline == math.inf else int((job.deadline - time.monotonic()) / seconds)


def _probe(model: nn.Module, job: Job, progress: Progress) -> None:
    """Fit the head, which counts as epoch 0."""
    started = time.perf_counter()
    job.threads.adapt()
    fitted = probe(model, job)
    if fitted is not None:
        progress.epoch, progress.losses = 0, [fitted.loss]
        _emit_evaluation(job, fitted.evaluation)
        _record_epoch(job, progress, fitted.evaluation, learning_rate=0.0, seconds=time.perf_counter() - started)
        _keep_if_best(model, job, progress, fitted.evaluation.loss)
        progress.next_epoch()


def _batch_weights(job: Job, epoch: int) -> list[float]:
    """The weight of each batch of all processes together; each process computes the same ones."""
    weights = [1.0] * len(job.splits.classes) if job.class_weights is None else job.class_weights.tolist()
    samples = job.splits.train
    return [sum(weights[samples[index].target] for _, index in keys) for keys in job.order.whole(epoch)]


def _log(job: Job, progress: Progress, logged: Iterable[Logged]) -> None:
    earlier = (progress.epoch - 1) * job.order.steps()
    total = len(job.splits.train)
    for each in logged:
        progress.losses.append(each.loss)
        if job.world.is_first:
            seen = min(total, each.step * job.config.batch_size)
            emit(TrainLine(epoch=progress.epoch, seen=seen, total=total, loss=each.loss))
        for sink in job.sinks:
            sink.after_step(earlier + each.step, each.loss)


def _evaluate(model: nn.Module, loader: EpochLoader, job: Job, epoch: int) -> Evaluation:
    with job.profiler.phase("evaluation"):
        job.world.equalize_buffers(model)
        job.debugger.evaluate()
        job.threads.adapt()
        result = evaluate(
            model,
            loader.batches(epoch),
            class_count=len(job.splits.classes),
            preprocessing=job.preprocessing,
            device=job.device,
            class_weights=job.class_weights,
            stop=job.stop,
            world=job.world,
            debugger=job.debugger,
        )
    _emit_evaluation(job, result)
    if not math.isfinite(result.loss):
        raise TrainingError(
            f"the evaluation loss is {result.loss} after epoch {epoch}: training diverged. Lower opt-learning-rate (a "
            "tenth is a good next try), or set amp to off"
        )
    return result


def _emit_evaluation(job: Job, result: Evaluation) -> None:
    if job.world.is_first:
        emit(EvaluationLine(phase="EVAL", loss=result.loss, correct=result.correct, total=result.total))


def _record_epoch(job: Job, progress: Progress, result: Evaluation, *, learning_rate: float, seconds: float) -> None:
    record: dict[str, Any] = {
        "epoch": progress.epoch,
        "train_loss": sum(progress.losses) / max(1, len(progress.losses)),
        "eval_loss": result.loss,
        "eval_accuracy": result.accuracy,
        "learning_rate": learning_rate,
        "train_seconds": round(seconds, 3),
    }
    progress.history.append(record)
    for sink in job.sinks:
        sink.after_epoch(progress.history)


def _keep_if_best(model: nn.Module, job: Job, progress: Progress, loss: float) -> None:
    if loss >= progress.best_loss:
        progress.epochs_without_improvement += 1
        return
    progress.best_loss, progress.best_epoch, progress.epochs_without_improvement = loss, progress.epoch, 0
    if job.world.is_first:
        with job.profiler.phase("model"):
            progress.best_tensors = copied(model.state_dict())
            save_model(job, progress.best_tensors, progress)


def _stops_early(progress: Progress, config: TrainConfig) -> bool:
    if progress.epochs_without_improvement < config.early_stopping_patience:
        return False
    logger.info(
        "early stopping: the evaluation loss has not fallen below %.4f for %d epochs",
        progress.best_loss,
        progress.epochs_without_improvement,
    )
    return True


def explain_divergence(job: Job, found: LossNotFinite) -> str:
    """Say at which batch the loss was not finite, which pictures are in it, and what to do."""
    keys = job.order.whole(found.epoch)[found.step - 1]
    names = [printable(job.splits.train[index].path.name) for _, index in keys[:_NAMED]]
    more = f" and {len(keys) - _NAMED} more" if len(keys) > _NAMED else ""
    message = (
        f"the training loss is {found.value} at batch {found.step} of its epoch (pictures {', '.join(names)}{more}): "
        "training diverged. Lower opt-learning-rate (a tenth is a good next try), or set amp to off"
    )
    if has_checkpoint(job.checkpoints):
        message += f". The last checkpoint in {job.checkpoints} is from before"
    return message
