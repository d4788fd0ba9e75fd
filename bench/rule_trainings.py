"""Small real trainings, recorded by our hook: sound ones, and a fault for each rule, each different by its seed."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from container.train.debugger.hook import Hook
from container.train.debugger.modes import ModeKeys
from container.train.debugger.save_config import SaveConfig

CLASSES, EPOCHS, STEPS, EVALUATED = 3, 12, 10, 96
_SAVED_EVERY = 10
_WHOLE = {"labels": "^labels$", "predictions": "^predictions$"}
_OFTEN = {
    "weights": "^(?!gradient).*weight",
    "gradients": "^gradient",
    "relu_output": ".*relu_output",
    "relu_input": ".*relu_input",
}

Labels = Callable[[int], torch.Tensor]


class Net(nn.Module):
    """Two blocks of convolution, normalisation and ReLU, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.block1 = _block(3, 8)
        self.block2 = _block(8, 16)
        self.head = nn.Linear(16, CLASSES)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Compute the logits (N, classes) of pictures (N, 3, 8, 8)."""
        features: torch.Tensor = self.block2(self.block1(pictures)).mean((2, 3))
        logits: torch.Tensor = self.head(features)
        return logits


def _block(inputs: int, outputs: int) -> nn.Sequential:
    layers = nn.Sequential()
    layers.add_module("conv", nn.Conv2d(inputs, outputs, 3, padding=1, bias=False))
    layers.add_module("norm", nn.BatchNorm2d(outputs))
    layers.add_module("relu", nn.ReLU())
    return layers


def _even(count: int) -> torch.Tensor:
    return torch.randperm(count) % CLASSES


@dataclass(frozen=True, kw_only=True)
class Training:
    """What is done to the network before it trains, how it learns, and from what."""

    change: Callable[[Net], object] = lambda net: None
    learning_rate: float = 0.002
    warm_up: int = 0
    """Steps over which the learning rate rises, in its square."""
    batch: int = 32
    strength: float = 0.6
    """How much brighter a class makes its channel; pixels have a deviation of 1."""
    labels: Labels = _even
    wrong: Callable[[torch.Tensor], torch.Tensor] = lambda labels: labels
    """Makes the labels that it is trained with of those that the pictures show."""
    memory: int = 0
    """Batches that are trained on again and again; 0: each is new."""
    evaluation_sum: bool = False
    """Whether the validation loss is the sum over a batch."""
    fault_step: int = -1
    """Step whose pictures hold a NaN."""


def _without_norm(scale: float) -> Callable[[Net], None]:
    def change(net: Net) -> None:
        for block in (net.block1, net.block2):
            block.norm = nn.Identity()
            with torch.no_grad():
                for weight in block[0].parameters():
                    weight.mul_(scale)

    return change


def _kill_the_second_block(net: Net) -> None:
    with torch.no_grad():
        net.block2.get_parameter("norm.bias").fill_(-100)


def _zero_the_head(net: Net) -> None:
    with torch.no_grad():
        net.head.weight.zero_()
        net.head.bias.zero_()


def _freeze(net: Net) -> None:
    for parameter in net.block1.parameters():
        parameter.requires_grad_(False)


def _blow_up(net: Net) -> None:
    with torch.no_grad():
        net.head.weight.mul_(40)


def _rare(count: int) -> torch.Tensor:
    return torch.multinomial(torch.tensor([0.49, 0.49, 0.02]), count, replacement=True)


def _confuse(labels: torch.Tensor) -> torch.Tensor:
    swapped = (labels == 1) & (torch.rand(len(labels)) < 0.5)
    return torch.where(swapped, 2, labels)


def _at_random(labels: torch.Tensor) -> torch.Tensor:
    return labels[torch.randperm(len(labels))]


SOUND: dict[str, Training] = {
    "sound": Training(),
    "sound, noisy": Training(batch=6, strength=0.5),
    "sound, slow start": Training(warm_up=50, learning_rate=0.004),
    "sound, noisy, slow start": Training(batch=6, strength=0.5, warm_up=50, learning_rate=0.004),
}

FAULTS: dict[str, Training] = {
    "PoorWeightInitialization": Training(change=_without_norm(0.01), learning_rate=1e-5),
    "VanishingGradient": Training(change=_without_norm(1e-6)),
    "ExplodingTensor": Training(fault_step=30),
    "Overfit": Training(memory=1, wrong=_at_random, learning_rate=0.01),
    "Overtraining": Training(memory=1, learning_rate=0.02),
    "LossNotDecreasing": Training(wrong=_at_random, learning_rate=1e-6),
    "ClassImbalance": Training(labels=_rare),
    "DeadRelu": Training(change=_kill_the_second_block),
    "AllZero": Training(change=_zero_the_head),
    "UnchangedTensor": Training(change=_freeze),
    "TensorVariance": Training(change=_blow_up),
    "Confusion": Training(wrong=_confuse),
}
"""The fault for each rule that must fire."""

SUMS: dict[str, Training] = {"sound, validation loss a sum": Training(evaluation_sum=True)}
"""Sound too: Overfit must say that the loss is a sum."""


def record(directory: Path, training: Training, seed: int) -> None:
    """Train, and save the losses of every step, and the rest of every tenth."""
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    net, criterion = Net(), nn.CrossEntropyLoss()
    training.change(net)
    hook = Hook(out_dir=directory, save_config=SaveConfig(save_interval=1), include_collections=[*_WHOLE, *_OFTEN])
    for name, pattern in (_WHOLE | _OFTEN).items():
        hook.get_collection(name).include(pattern)
        if name in _OFTEN:
            hook.get_collection(name).save_config = SaveConfig(save_interval=_SAVED_EVERY)
    hook.register_module(net)
    hook.register_loss(criterion)
    learner = _Learner(net, criterion, training, hook)
    for _ in range(EPOCHS):
        learner.epoch()
        learner.evaluate()
    hook.close()


class _Learner:
    def __init__(self, net: Net, criterion: nn.CrossEntropyLoss, training: Training, hook: Hook) -> None:
        self._net, self._criterion, self._training, self._hook = net, criterion, training, hook
        trained = [parameter for parameter in net.parameters() if parameter.requires_grad]
        self._optimizer = torch.optim.Adam(trained, lr=training.learning_rate)
        self._step = 0
        self._kept = [self._new_batch(training.batch) for _ in range(training.memory)]

    def epoch(self) -> None:
        training = self._training
        self._net.train()
        self._hook.set_mode(ModeKeys.TRAIN)
        self._criterion.reduction = "mean"
        for _ in range(STEPS):
            for group in self._optimizer.param_groups:
                share = min(1.0, (self._step + 1) / training.warm_up) if training.warm_up else 1.0
                group["lr"] = training.learning_rate * share**2
            pictures, labels = (
                self._kept[self._step % training.memory] if training.memory else self._new_batch(training.batch)
            )
            if self._step == training.fault_step:
                pictures[0, 0, 0, 0] = torch.nan
            loss = self._forward(pictures, labels)
            self._optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self._optimizer.step()
            self._step += 1

    def evaluate(self) -> None:
        self._net.eval()
        self._hook.set_mode(ModeKeys.EVAL)
        self._criterion.reduction = "sum" if self._training.evaluation_sum else "mean"
        with torch.no_grad():
            for _ in range(EVALUATED // 32):
                pictures, labels = self._new_batch(32)
                self._forward(pictures, labels)

    def _forward(self, pictures: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        predictions = self._net(pictures)
        loss: torch.Tensor = self._criterion(predictions, labels)
        self._hook.save_tensor("labels", labels, "labels")
        self._hook.save_tensor("predictions", predictions, "predictions")
        return loss

    def _new_batch(self, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        shown = self._training.labels(count)
        pictures = torch.randn(count, 3, 8, 8)
        pictures[torch.arange(count), shown] += self._training.strength
        return pictures, self._training.wrong(shown)
