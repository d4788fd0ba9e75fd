"""A user's script in the seed project's form, with smdebug's hook. It also records, with plain torch alone, what goes
through its network: the file `recording.pt` has every tensor by `MODE step name`.

Each of its networks and steps is the same in every run, whoever provides `smdebug`.
"""

import argparse
import os
from collections.abc import Iterable
from pathlib import Path

import smdebug.pytorch as smd
import torch
from torch import nn, optim

Batch = tuple[torch.Tensor, torch.Tensor]
Recording = dict[str, torch.Tensor]
CLASSES, BATCH = 3, 6


class Net(nn.Module):
    """Has what a hook may stumble over: ReLUs that write in place and run twice, a frozen layer, two outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.relu = nn.ReLU(inplace=True)
        self.hidden = nn.Linear(16, 8)
        self.recurrent = nn.GRU(8, 5)
        self.head = nn.Linear(5, CLASSES)
        self.seen: Recording = {}
        self.hidden.requires_grad_(False)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        self.seen = {}
        features = self.note("conv_output_0", self.conv(pictures))
        features = self.note("norm_output_0", self.norm(features))
        features = self.note("relu_output_0", self.relu(features))
        features = nn.functional.adaptive_avg_pool2d(features, 2).flatten(1)
        features = self.note("hidden_output_0", self.hidden(features))
        features = self.note("relu_output_1", self.relu(features))
        features, state = self.recurrent(features)
        self.note("recurrent_output_1", state)
        features = self.note("recurrent_output_0", features)
        return self.note("Net_output_0", self.note("head_output_0", self.head(features)))

    def note(self, name: str, value: torch.Tensor) -> torch.Tensor:
        self.seen[name] = value.detach().clone()
        return value


def batches(count: int) -> list[Batch]:
    labels = [torch.randperm(BATCH) % CLASSES for _ in range(count)]
    return [(torch.randn(BATCH, 3, 6, 6) + of_batch.view(-1, 1, 1, 1), of_batch) for of_batch in labels]


class Recorder:
    def __init__(self, model: Net) -> None:
        self.model = model
        self.found: Recording = {}
        self.steps = {"TRAIN": 0, "EVAL": 0}

    def record(self, mode: str, loss: torch.Tensor) -> None:
        """A step: in training after backward and before the optimizer's step."""
        found = {**self.model.seen, "CrossEntropyLoss_output_0": loss}
        for name, parameter in self.model.named_parameters():
            found[f"Net_{name}"] = parameter
            if mode == "TRAIN" and parameter.grad is not None:
                found[f"gradient/Net_{name}"] = parameter.grad
        step = self.steps[mode]
        self.steps[mode] += 1
        self.found |= {f"{mode} {step} {name}": value.detach().clone() for name, value in found.items()}


def train(
    model: Net,
    loader: Iterable[Batch],
    criterion: nn.Module,
    optimizer: optim.Optimizer,
    hook: smd.Hook,
    recorder: Recorder,
) -> None:
    hook.set_mode(smd.modes.TRAIN)
    model.train()
    for data, target in loader:
        optimizer.zero_grad()
        output = model(data)
        loss = criterion(output, target)
        loss.backward()
        recorder.record("TRAIN", loss)
        optimizer.step()


def test(model: Net, loader: Iterable[Batch], criterion: nn.Module, hook: smd.Hook, recorder: Recorder) -> None:
    hook.set_mode(smd.modes.EVAL)
    model.eval()
    with torch.no_grad():
        for data, target in loader:
            recorder.record("EVAL", criterion(model(data), target))


def main(args: argparse.Namespace) -> None:
    torch.manual_seed(0)
    train_loader, validation_loader = batches(3), batches(2)
    model = Net()
    class_weights = torch.tensor([1.0, 2.0, 0.5])
    criterion = nn.CrossEntropyLoss(weight=class_weights)
    hook = smd.Hook.create_from_json_file()
    hook.register_hook(model)
    hook.register_loss(criterion)
    optimizer = optim.AdamW(model.parameters(), lr=args.opt_learning_rate)
    recorder = Recorder(model)
    for _ in range(args.epochs):
        train(model, train_loader, criterion, optimizer, hook, recorder)
        test(model, validation_loader, criterion, hook, recorder)
    torch.save(recorder.found, Path(args.output_data_dir) / "recording.pt")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--opt-learning-rate", type=float, default=0.1)
    parser.add_argument("--output-data-dir", default=os.environ.get("SM_OUTPUT_DATA_DIR", "."))
    main(parser.parse_args())
