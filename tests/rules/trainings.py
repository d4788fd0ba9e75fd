"""Small real trainings, recorded by our hook: a sound one, and faults as people make them."""

from collections.abc import Callable, Set
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from container.train.debugger.hook import Hook
from container.train.debugger.modes import ModeKeys
from container.train.debugger.save_config import SaveConfig

CLASSES, BATCH, EPOCHS, STEPS = 3, 32, 5, 20
COLLECTIONS = {
    "weights": "^(?!gradient).*weight",
    "gradients": "^gradient",
    "relu_output": ".*relu_output",
    "relu_input": ".*relu_input",
    "labels": "^labels$",
    "predictions": "^predictions$",
}


@dataclass(frozen=True, kw_only=True)
class Training:
    """What is done to the network before it trains, how fast it learns, and what the rules must say of it."""

    change: Callable[["Net"], None] = lambda net: None
    learning_rate: float = 0.003
    must_fire: Set[str] = frozenset()
    may_follow: Set[str] = frozenset()
    """What is true of such a training too."""


class Net(nn.Module):
    """Two blocks of convolution, normalisation and ReLU, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.block1 = block(3, 8)
        self.block2 = block(8, 16)
        self.head = nn.Linear(16, CLASSES)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self.block2(self.block1(pictures)).mean((2, 3))
        return self.head(features)


def block(inputs: int, outputs: int) -> nn.Sequential:
    layers = nn.Sequential()
    layers.add_module("conv", nn.Conv2d(inputs, outputs, 3, padding=1, bias=False))
    layers.add_module("norm", nn.BatchNorm2d(outputs))
    layers.add_module("relu", nn.ReLU())
    return layers


def kill_the_second_block(net: Net) -> None:
    with torch.no_grad():
        net.block2.norm.bias.fill_(-100)


def zero_the_head(net: Net) -> None:
    with torch.no_grad():
        net.head.weight.zero_()
        net.head.bias.zero_()


TRAININGS = {
    "training: sound": Training(),
    "training: dead ReLUs": Training(
        change=kill_the_second_block,
        must_fire={"DeadRelu", "VanishingGradient", "AllZero", "PoorWeightInitialization"},
        # The head's bias still learns how frequent the classes are.
        may_follow={"UnchangedTensor", "Confusion", "Overtraining", "LossNotDecreasing"},
    ),
    "training: learning rate 10": Training(
        learning_rate=10,
        must_fire={"LossNotDecreasing"},
        may_follow={"TensorVariance", "DeadRelu", "VanishingGradient", "AllZero", "Overfit", "Confusion"}
        | {"PoorWeightInitialization"},
    ),
    "training: zero head": Training(
        change=zero_the_head,
        must_fire={"PoorWeightInitialization", "AllZero", "VanishingGradient"},
    ),
}


def train(directory: Path, training: Training) -> None:
    """Train on pictures whose colour is their class, and record the losses of every step, the rest of every fifth."""
    torch.manual_seed(0)
    net, criterion = Net(), nn.CrossEntropyLoss()
    training.change(net)
    hook = Hook(out_dir=directory, save_config=SaveConfig(save_interval=1), include_collections=list(COLLECTIONS))
    for name, pattern in COLLECTIONS.items():
        hook.get_collection(name).include(pattern)
        if name not in ("labels", "predictions"):
            hook.get_collection(name).save_config = SaveConfig(save_interval=5)
    hook.register_module(net)
    hook.register_loss(criterion)
    optimizer = torch.optim.Adam(net.parameters(), lr=training.learning_rate)
    for _ in range(EPOCHS):
        net.train()
        hook.set_mode(ModeKeys.TRAIN)
        for _ in range(STEPS):
            loss = forward(net, criterion, hook)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        net.eval()
        hook.set_mode(ModeKeys.EVAL)
        with torch.no_grad():
            for _ in range(3):
                forward(net, criterion, hook)
    hook.close()


def forward(net: Net, criterion: nn.Module, hook: Hook) -> torch.Tensor:
    labels = torch.randperm(BATCH) % CLASSES
    pictures = torch.randn(BATCH, 3, 8, 8)
    pictures[torch.arange(BATCH), labels] += 1
    predictions = net(pictures)
    loss: torch.Tensor = criterion(predictions, labels)
    hook.save_tensor("labels", labels, "labels")
    hook.save_tensor("predictions", predictions, "predictions")
    return loss
