"""The training that everything here is measured on: our engine's steps, on pictures that are there already."""

import itertools
from dataclasses import dataclass

import torch

from container.model import build_model
from container.preprocessing import Preprocessing
from container.train.debugger.session import Debugger
from container.train.device import Device, choose_device
from container.train.distributed import World
from container.train.engine import WholeBatch, train_steps
from container.train.hosts import Rank
from container.train.hyperparameters import TrainConfig
from container.train.loading import Batch
from container.train.losses import Losses
from container.train.profiler.timing import NO_TIMER, StepTimer

CLASSES = 100
_DIFFERENT_BATCHES = 8
_MOST_STEPS = 100_000  # of an epoch; no loss is read off the device within a few of them


@dataclass(frozen=True, kw_only=True)
class Workload:
    """What is trained."""

    model: str
    image_size: int
    """Pixels."""
    batch_size: int


class Training:
    """A network that learns from noise, in float32."""

    def __init__(self, workload: Workload) -> None:
        torch.manual_seed(0)
        self.workload = workload
        self.config = TrainConfig(
            model_type=workload.model, image_size=workload.image_size, batch_size=workload.batch_size, amp="off"
        )
        self.world = World(Rank())
        self.device: Device = choose_device(self.config, self.world)
        model = build_model(workload.model, CLASSES).to(self.device.torch_device)
        self.model = model.to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
        self._optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-4)
        self._scaler = torch.amp.GradScaler(self.device.torch_device.type, enabled=False)
        self._preprocessing = Preprocessing.for_size(workload.image_size)
        self._batches = _some_batches(workload, pin=self.device.is_cuda)

    def run(self, steps: int, *, timer: StepTimer = NO_TIMER, debugger: Debugger | None = None) -> None:
        """Take so many steps; returns when the device has done them."""
        whole = [WholeBatch(pictures=self.workload.batch_size, weight=self.workload.batch_size)] * _MOST_STEPS
        endless = train_steps(
            self.model,
            itertools.cycle(self._batches),
            whole,
            self._optimizer,
            self._scaler,
            losses=Losses(self.world, self.device, done=0, count=_MOST_STEPS),
            world=self.world,
            preprocessing=self._preprocessing,
            device=self.device,
            class_weights=None,
            label_smoothing=0.0,
            timer=timer,
            debugger=debugger,
        )
        for _ in itertools.islice(endless, steps):
            pass
        del endless  # which ends its last step
        self.synchronize()

    def synchronize(self) -> None:
        if self.device.is_cuda:
            torch.cuda.synchronize()


def _some_batches(workload: Workload, *, pin: bool) -> list[Batch]:
    shape = (workload.batch_size, workload.image_size, workload.image_size, 3)
    batches = [
        (torch.randint(256, shape, dtype=torch.uint8), torch.randint(CLASSES, (workload.batch_size,)))
        for _ in range(_DIFFERENT_BATCHES)
    ]
    return [(pictures.pin_memory(), targets.pin_memory()) for pictures, targets in batches] if pin else batches
