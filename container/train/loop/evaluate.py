"""Evaluation of a model on one split."""

from collections.abc import Callable, Iterable

import torch
from torch import nn

from container.contract.errors import DataError
from container.preprocessing import Preprocessing
from container.train.data.loading import Batch
from container.train.debugger.session import Debugger
from container.train.device import Device
from container.train.launch.distributed import World
from container.train.launch.stopping import Interrupted, Stop
from container.train.records.evaluation import Evaluation

Observe = Callable[[torch.Tensor, torch.Tensor], None]


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
    """Evaluate on every batch of this process's share. Loss and confusion matrix are summed on the device, and at the
    end over the processes of the job.

    Args:
        model: On the device; put into evaluation mode.
        batches: uint8 pictures (N, size, size, 3) and class indices (N,), in the order of the split.
        class_count: Outputs of the model.
        preprocessing: Normalizes batches on the device.
        device: Where, and in which precision.
        class_weights: float32 (classes,), on the device.
        stop: Whether the job was asked to end.
        world: The processes of the job.
        observe: Called with each batch's logits, float32 (N, classes), and class indices, both on the device.
        debugger: Shown each batch.

    Raises:
        Interrupted: The job was asked to end.
        DataError: None of the pictures could be read.
    """
    model.eval()
    normalize = preprocessing.normalizer(device.torch_device)
    criterion = nn.CrossEntropyLoss(weight=class_weights, reduction="sum")
    loss = torch.zeros((), dtype=torch.float64, device=device.torch_device)
    confusion = torch.zeros(class_count * class_count, dtype=torch.int64, device=device.torch_device)
    cut_short = False
    for pictures, targets in batches:
        if cut_short := stop.requested:
            break
        if not len(targets):  # none of its pictures can be read any longer
            continue
        pictures = pictures.to(device.torch_device, non_blocking=True)
        targets = targets.to(device.torch_device, non_blocking=True)
        with device.autocast():
            logits = model(normalize(pictures))
        logits = logits.float()
        batch_loss = criterion(logits, targets)
        loss += batch_loss
        if debugger is not None:
            debugger.observe(batch_loss / len(targets), logits, targets)
        if observe:
            observe(logits, targets)
        # Not bincount, which waits for the GPU to learn how large its values are.
        confusion.index_add_(0, targets * class_count + logits.argmax(1), torch.ones_like(targets))
    if world.any(cut_short):
        raise Interrupted
    confusion = world.sum(confusion.view(class_count, class_count).cpu())
    total, loss = int(confusion.sum()), world.sum(loss.cpu())
    if not total:
        raise DataError(
            "none of the pictures to evaluate on can be read any longer, although they could be when the job began; "
            "keep the channel unchanged while a job runs"
        )
    return Evaluation(loss=loss.item() / total, confusion=confusion)
