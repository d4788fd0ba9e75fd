"""Training steps and evaluation on a GPU: what only a GPU shows."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pytest
import torch
from torch import nn

from container.contract.hyperparameters import TrainConfig
from container.networks.build import build_model
from container.preprocessing import Preprocessing
from container.train.data.loading import Batch
from container.train.device import Device, choose_device
from container.train.launch.distributed import World
from container.train.launch.hosts import Rank
from container.train.launch.stopping import Stop
from container.train.loop.evaluate import evaluate
from container.train.loop.mixing import Mixing
from container.train.loop.stepper import Stepper

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU that torch can use"),
]

ALONE = World(Rank())
INPUT = Preprocessing.for_size(64)
CLASSES, BATCH = 5, 8
WARM_UP = 3
"""Steps in which algorithms are chosen and the optimizer makes its state."""


@dataclass
class Training:
    device: Device
    model: nn.Module
    stepper: Stepper

    def steps(self, batches: Iterable[Batch]) -> Iterator[object]:
        self.stepper.begin_epoch(1, count=1000)
        for batch in batches:
            with self.stepper.step(batch, BATCH) as logged:
                yield logged


def pinned_batches(count: int) -> list[Batch]:
    generator = torch.Generator().manual_seed(0)
    return [
        (
            torch.randint(256, (BATCH, 64, 64, 3), dtype=torch.uint8, generator=generator).pin_memory(),
            torch.randint(CLASSES, (BATCH,), generator=generator).pin_memory(),
        )
        for _ in range(count)
    ]


@pytest.fixture(params=["off", "bf16", "fp16"])
def training(request: pytest.FixtureRequest) -> Training:
    torch.manual_seed(0)
    device = choose_device(TrainConfig(amp=request.param), ALONE)
    model = build_model("resnet18", CLASSES).to(device.torch_device).to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    stepper = Stepper(
        model,
        optimizer,
        world=ALONE,
        device=device,
        preprocessing=INPUT,
        class_weights=torch.ones(CLASSES, device=device.torch_device),
        label_smoothing=0.1,
    )
    return Training(device, model, stepper)


@pytest.fixture
def waiting_is_an_error() -> Iterator[object]:
    """torch raises where the host would wait for the GPU."""
    yield lambda: torch.cuda.set_sync_debug_mode("error")
    torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("mixing", [None, Mixing(mixup=0.2, cutmix=1, seed=0)], ids=["plain", "mixed"])
def test_no_step_waits_for_the_gpu(training: Training, mixing: Mixing | None, waiting_is_an_error) -> None:
    training.stepper.mixing = mixing
    for number, _ in enumerate(training.steps(pinned_batches(WARM_UP + 20)), start=1):
        if number == WARM_UP:
            waiting_is_an_error()


def test_evaluation_waits_for_the_gpu_at_its_end_alone(training: Training, waiting_is_an_error) -> None:
    def batches() -> Iterator[Batch]:
        for number, batch in enumerate(pinned_batches(WARM_UP + 10)):
            if number == WARM_UP:
                waiting_is_an_error()
            yield batch
        torch.cuda.set_sync_debug_mode("default")

    found = evaluate(
        training.model,
        batches(),
        class_count=CLASSES,
        preprocessing=INPUT,
        device=training.device,
        class_weights=None,
        stop=Stop(),
        world=ALONE,
    )
    wanted = torch.zeros(CLASSES, dtype=torch.int64)
    for _, targets in pinned_batches(WARM_UP + 10):
        wanted += torch.bincount(targets, minlength=CLASSES)
    assert torch.equal(found.confusion.sum(1), wanted)


def test_the_memory_format_stays(training: Training) -> None:
    """From the batch to the gradients: where it is lost, every convolution is preceded by a copy."""
    formats: set[bool] = set()
    for module in training.model.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(
                lambda _module, inputs, output: formats.update(
                    tensor.is_contiguous(memory_format=torch.channels_last) for tensor in (*inputs, output)
                )
            )
    for _ in training.steps(pinned_batches(2)):
        pass
    assert formats == {True}
    for parameter in training.model.parameters():
        if parameter.dim() == 4:
            assert parameter.is_contiguous(memory_format=torch.channels_last)
            assert parameter.grad is not None
            assert parameter.grad.is_contiguous(memory_format=torch.channels_last)


def test_batches_may_be_let_go_of_at_once(training: Training) -> None:
    """Each is copied while the host goes on; its memory must not be used again before that."""
    seen: list[torch.Tensor] = []
    training.model.register_forward_pre_hook(lambda _model, inputs: seen.append(inputs[0].detach().mean()))
    batches = pinned_batches(30)
    wanted = [INPUT.normalize(pictures).mean().item() for pictures, _ in batches]
    fresh = ((pictures.clone().pin_memory(), targets.clone().pin_memory()) for pictures, targets in batches)
    for _ in training.steps(fresh):
        pass
    assert [value.item() for value in seen] == pytest.approx(wanted, abs=1e-4)
