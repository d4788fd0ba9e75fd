"""The epochs of a job: train, evaluate, keep the best, checkpoint, stop early."""

import hashlib
import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from container.errors import TrainingError
from container.model import StateDict
from container.preprocessing import Preprocessing
from container.train.behind import Behind, copied
from container.train.channels import Splits
from container.train.checkpoint import differences, has_checkpoint, read_newest_checkpoint, write_checkpoint
from container.train.dataset import EvaluationPictures, TrainPictures
from container.train.debugger.session import Debugger
from container.train.device import Device
from container.train.distributed import World
from container.train.engine import Evaluation, WholeBatch, evaluate, train_steps
from container.train.hyperparameters import TrainConfig
from container.train.loading import Loader
from container.train.losses import Logged, Losses, LossNotFinite
from container.train.metric_lines import EvaluationLine, TrainLine, emit
from container.train.order import Key, TrainOrder, in_order
from container.train.picture_cache import PictureCache
from container.train.profiler.profiler import Profiler
from container.train.saving import saving
from container.train.stopping import Interrupted, Stop
from container.train.watching import Watcher

logger = logging.getLogger(__name__)

# Hyperparameters that may change between an interruption and the restart: they do not change what was learnt.
_MAY_CHANGE = frozenset(
    (
        "epochs",
        "early-stopping-patience",
        "num-workers",
        "checkpoint-every",
        "checkpoint-minutes",
        "wandb",
        "debug",
        "profile",
        "use-cuda",
    )
)
# So many pictures of a batch are named where its loss is not finite.
_NAMED = 8


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
    caches: Mapping[str, PictureCache]
    """By split."""
    preprocessing: Preprocessing
    device: Device
    checkpoints: Path
    stop: Stop
    world: World
    watchers: Sequence[Watcher]
    """None but in the first process."""
    profiler: Profiler
    debugger: Debugger
    behind: Behind
    """Writes models and checkpoints."""
    save_best: Callable[[StateDict, Progress], None]
    """Has the model directory written; called whenever the evaluation loss is the lowest so far, in the first
    process."""

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
        values["cache"] = "off" if self.config.cache == "off" else "on"  # how much is kept changes nothing
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
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=config.opt_learning_rate, weight_decay=config.opt_weight_decay, fused=True
    )
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, config.lr_sched_step_size, config.lr_sched_gamma)
    scaler = torch.amp.GradScaler(device.torch_device.type, enabled=device.scales_gradients)
    parts: dict[str, Any] = {"model": model, "optimizer": optimizer, "scheduler": scheduler, "scaler": scaler}
    parts["debugger"] = job.debugger
    progress = _resume(job, parts) or Progress()

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
    saves = _Saves(config)
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
                        _checkpoint(job, parts, progress)

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
                    _checkpoint(job, parts, progress)
                job.profiler.end_epoch()
        except Interrupted:
            _log(job, progress, [*losses.read()], steps_per_epoch)
            if world.is_first and progress.best_tensors is None:
                job.save_best(_copy_tensors(model), progress)
            _checkpoint(job, parts, progress)
            raise
        finally:
            train_loader.close()
            validation_loader.close()
            job.behind.wait()
    except LossNotFinite as found:
        raise TrainingError(_diverged(job, found, order.whole(progress.epoch)[found.step - 1])) from found
    return progress


class _Saves:
    """When a checkpoint is due."""

    def __init__(self, config: TrainConfig) -> None:
        self._epochs = config.checkpoint_every
        self._seconds = 60 * config.checkpoint_minutes or math.inf
        self._last = time.monotonic()

    def is_due_within_epoch(self) -> bool:
        """By the clock; each call after that says so once."""
        due = time.monotonic() - self._last >= self._seconds
        if due:
            self._last = time.monotonic()
        return due

    def is_due_after(self, epoch: int) -> bool:
        due = epoch % self._epochs == 0
        if due:
            self._last = time.monotonic()
        return due


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
                progress.best_tensors = _copy_tensors(model)
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
    with job.profiler.phase("checkpoint"):
        if not _is_sound(parts["model"]):
            logger.warning("no checkpoint is written: parameters are not finite any more")
            return
        content: dict[str, Any] = copied({name: part.state_dict() for name, part in parts.items()})
        # The best model's tensors are replaced, never changed.
        content["progress"] = {**vars(progress), "losses": [*progress.losses], "history": [*progress.history]}
        content["fingerprint"] = job.fingerprint()
        directory, epoch, step = job.checkpoints, progress.epoch, progress.step

        def write() -> None:
            try:
                with saving("checkpoint", directory):
                    write_checkpoint(directory, epoch, step, content)
            except TrainingError as error:
                logger.warning("%s; training goes on without it", error)

        job.behind.write(write)


def _is_sound(model: nn.Module) -> bool:
    """Whether all parameters are finite; their losses are read a step later."""
    norms = torch._foreach_norm([parameter.detach() for parameter in model.parameters()])
    return bool(torch.stack(norms).isfinite().all())


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
