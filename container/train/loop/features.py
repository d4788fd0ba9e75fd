"""The features of a split's pictures: what the head of a network sees of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from container.train.launch.stopping import Interrupted
from container.train.loop.job import Job
from container.train.loop.loaders import evaluation_loader

_MOST_ON_DEVICE = 2**31  # bytes; more stay in main memory


@dataclass(frozen=True)
class Features:
    """The features of a split, in the same order in all processes."""

    values: torch.Tensor
    """float32 (N, features)."""
    targets: torch.Tensor
    """int64 (N,)."""

    def chunks(self, device: torch.device, rows: int = 16_384) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield values and targets on a device, so many rows at a time."""
        for start in range(0, len(self.targets), rows):
            part = slice(start, start + rows)
            yield self.values[part].to(device), self.targets[part].to(device)


@torch.no_grad()
def compute_features(model: nn.Module, head: nn.Linear, job: Job, split: Literal["train", "validation"]) -> Features:
    """Compute the features of a split, of pictures read as serving reads them.

    Args:
        model: On the job's device; put into evaluation mode.
        head: Its last layer.
        job: The job.
        split: Which pictures.

    Raises:
        Interrupted: The job was asked to end.
    """
    model.eval()
    device = job.device.torch_device
    normalize = job.preprocessing.normalizer(device)
    values: list[torch.Tensor] = []
    targets: list[torch.Tensor] = []
    hook = head.register_forward_pre_hook(lambda _, inputs: values.append(inputs[0].float().cpu()))
    with evaluation_loader(job, split, job.preprocessing, last=1) as loader:
        for pictures, labels in loader.batches(1):
            if job.stop.requested:
                break
            if len(labels):
                with job.device.autocast():
                    model(normalize(pictures.to(device, non_blocking=True)))
                targets.append(labels)
    hook.remove()
    if job.world.any(job.stop.requested):
        raise Interrupted
    parts = job.world.gather((torch.cat(values), torch.cat(targets)))
    whole = torch.cat([part[0] for part in parts])
    return Features(
        whole if whole.nbytes > _MOST_ON_DEVICE else whole.to(device), torch.cat([part[1] for part in parts])
    )
