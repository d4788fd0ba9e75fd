"""The training that `bench.debug` measures: our own steps on pictures already in memory."""

import itertools
from dataclasses import dataclass

import torch

from container.contract.hyperparameters import TrainConfig
from container.networks.build import build_model
from container.preprocessing import Preprocessing
from container.train.data.loading import Batch
from container.train.debugger.session import Debugger
from container.train.device import Device, choose_device
from container.train.launch.distributed import World
from container.train.launch.hosts import Rank
from container.train.loop.stepper import Stepper
from container.train.profiler.timing import NO_TIMER, StepTimer

CLASSES = 100
_DIFFERENT_BATCHES = 8
_MOST_STEPS = 100_000  # of an epoch, so long that no loss is read from the device within a run


@dataclass(frozen=True, kw_only=True)
class Workload:
    """The network and the size of its input."""

    model: str
    image_size: int
    """Pixels."""
    batch_size: int
    amp: str = "off"
    """The hyperparameter; the comparison with smdebug's hook is in float32."""


class Training:
    """A network trained on noise."""

    def __init__(self, workload: Workload) -> None:
        torch.manual_seed(0)
        self.workload = workload
        self.config = TrainConfig(
            model_type=workload.model, image_size=workload.image_size, batch_size=workload.batch_size, amp=workload.amp
        )
        self.world = World(Rank())
        self.device: Device = choose_device(self.config, self.world)
        model = build_model(workload.model, CLASSES).to(self.device.torch_device)
        self.model = model.to(memory_format=torch.channels_last)
        self._stepper = Stepper(
            self.model,
            torch.optim.AdamW(self.model.parameters(), lr=1e-4, fused=True),
            world=self.world,
            device=self.device,
            preprocessing=Preprocessing.for_size(workload.image_size),
        )
        self._batches = _some_batches(workload, pin=self.device.is_cuda)

    def run(self, steps: int, *, timer: StepTimer = NO_TIMER, debugger: Debugger | None = None) -> None:
        """Take steps; returns when the device has finished them."""
        self._stepper.timer, self._stepper.debugger = timer, debugger
        self._stepper.begin_epoch(1, count=_MOST_STEPS)
        for batch in itertools.islice(itertools.cycle(self._batches), steps):
            with self._stepper.step(batch, self.workload.batch_size):
                pass
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
