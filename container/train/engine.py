"""Training steps and evaluation, in the order in which things happen."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from container.errors import DataError
from container.preprocessing import Preprocessing
from container.train.debugger.session import Debugger
from container.train.device import Device
from container.train.distributed import World
from container.train.loading import Batch
from container.train.losses import Logged, Losses
from container.train.profiler.timing import NO_TIMER, StepTimer
from container.train.stopping import Interrupted, Stop

Observe = Callable[[torch.Tensor, torch.Tensor], None]


@dataclass(frozen=True)
class WholeBatch:
    """What all processes of a job together train on in one step."""

    pictures: int
    weight: float
    """Sum of the class weights of its pictures; their number where classes have none."""


@dataclass(frozen=True)
class Step:
    """One optimizer step."""

    pictures: int
    """Of all processes."""
    logged: Sequence[Logged]
    """What there is to log by now: of this step or the one before it."""


@dataclass(frozen=True)
class Evaluation:
    """What a model does on one split."""

    loss: float
    """Sum of the pictures' (weighted) losses over their number, as the seed project computes it."""
    confusion: torch.Tensor
    """int64 (classes, classes): rows are true classes, columns predicted ones."""

    @property
    def total(self) -> int:
        return int(self.confusion.sum())

    @property
    def correct(self) -> int:
        return int(self.confusion.diagonal().sum())

    @property
    def accuracy(self) -> float:
        """Percent."""
        return 100 * self.correct / self.total


def train_steps(
    model: nn.Module,
    batches: Iterable[Batch],
    whole: Sequence[WholeBatch],
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    *,
    losses: Losses,
    world: World,
    preprocessing: Preprocessing,
    device: Device,
    class_weights: torch.Tensor | None,
    label_smoothing: float,
    timer: StepTimer = NO_TIMER,
    debugger: Debugger | None = None,
) -> Iterator[Step]:
    """Train on every batch of an epoch, one optimizer step at a time.

    Args:
        model: In training mode, on the device, from `world.parallel`.
        batches: uint8 pictures (N, size, size, 3) and class indices (N,): this process's share.
        whole: For each of them, what all processes together have.
        optimizer: Its parameters are the model's.
        scaler: Disabled unless `device.scales_gradients`.
        losses: Of this epoch.
        world: The processes of the job.
        preprocessing: Normalises batches on the device.
        device: Where, and in which precision.
        class_weights: float32 (classes,), on the device.
        label_smoothing: From 0 to 1.
        timer: Told where each phase of a step ends.
        debugger: Shown each batch, and the gradients before the optimizer takes its step.

    Raises:
        LossNotFinite: The loss of an earlier step was not; parameters are not what they should be any more.
    """
    criterion = nn.CrossEntropyLoss(
        weight=class_weights, label_smoothing=label_smoothing, reduction="mean" if world.size == 1 else "sum"
    )
    for (pictures, targets), batch in zip(batches, whole, strict=True):
        timer.mark("data")
        pictures = pictures.to(device.torch_device, non_blocking=True)
        targets = targets.to(device.torch_device, non_blocking=True)
        timer.mark("copy")
        with device.autocast():
            logits = model(preprocessing.normalize(pictures))
            loss = criterion(logits, targets)
        if world.size > 1:
            # The mean over processes, which backward takes, is then the weighted mean over the whole batch.
            loss = loss * (world.size / batch.weight)
        timer.mark("forward")
        if debugger is not None:
            debugger.observe(loss, logits, targets)
            timer.mark("debugger")
        optimizer.zero_grad()
        scaler.scale(loss).backward()
        timer.mark("backward")
        if debugger is not None:
            debugger.before_step(optimizer, scaler)
            timer.mark("debugger")
        scaler.step(optimizer)
        scaler.update()
        timer.mark("optimizer")
        logged = list(losses.add(loss))
        try:
            yield Step(batch.pictures, logged)
        finally:  # also where the job ends at this step
            timer.end_step(len(targets))


@torch.inference_mode()
def evaluate(
    model: nn.Module,
    batches: Iterable[Batch],
    *,
    class_count: int,
    preprocessing: Preprocessing,
    device: Device,
    class_weights: torch.Tensor | None,
    stop: Stop,
    world: World,
    observe: Observe | None = None,
    debugger: Debugger | None = None,
) -> Evaluation:
    """Evaluate on every batch of this process's share; loss and confusion matrix add up on the device, and then over
    the processes of the job.

    Args:
        model: On the device; put into evaluation mode.
        batches: As for `train_steps`, in the order of the split.
        class_count: Outputs of the model.
        preprocessing: Normalises batches on the device.
        device: Where, and in which precision.
        class_weights: float32 (classes,), on the device.
        stop: Whether the job was asked to end.
        world: The processes of the job.
        debugger: Shown each batch.
        observe: Given each batch's logits, float32 (N, classes), and class indices, both on the device.

    Raises:
        Interrupted: The job was asked to end.
        DataError: No picture could be read.
    """
    model.eval()
    criterion = nn.CrossEntropyLoss(weight=class_weights, reduction="sum")
    loss = torch.zeros((), dtype=torch.float64, device=device.torch_device)
    confusion = torch.zeros(class_count * class_count, dtype=torch.int64, device=device.torch_device)
    cut_short = False
    for pictures, targets in batches:
        if cut_short := stop.requested:
            break
        if not len(targets):  # none of its pictures can be read any more
            continue
        pictures = pictures.to(device.torch_device, non_blocking=True)
        targets = targets.to(device.torch_device, non_blocking=True)
        with device.autocast():
            logits = model(preprocessing.normalize(pictures))
        logits = logits.float()
        batch_loss = criterion(logits, targets)
        loss += batch_loss
        if debugger is not None:
            debugger.observe(batch_loss / len(targets), logits, targets)
        if observe:
            observe(logits, targets)
        confusion += torch.bincount(targets * class_count + logits.argmax(1), minlength=class_count**2)
    if world.any(cut_short):
        raise Interrupted
    confusion = world.sum(confusion.view(class_count, class_count).cpu())
    total, loss = int(confusion.sum()), world.sum(loss.cpu())
    if not total:
        raise DataError(
            "none of the pictures to evaluate on can be read any more, which could be when the job began; keep the "
            "channel unchanged while a job runs"
        )
    return Evaluation(loss=loss.item() / total, confusion=confusion)
