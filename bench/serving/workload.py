"""What every server is asked to do: one model in the forms that they load, request bodies, and what is right."""

import base64
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import nn
from torchvision import transforms

from bench.pictures import picture_folder
from container.artifact import save
from container.model import build_model
from container.model_card import ModelCard
from container.picture import MAX_PIXELS
from container.preprocessing import Preprocessing
from container.serve.pixels import square

CLASSES = 133
_SEED = 0
# Pictures that the network's statistics are taken from, and of which the clearest are asked about.
_LOOKED_AT = 16
_PROBES = 4

Reading = Literal["ours", "crop", "squash"]
"""From file to input: as our server; the centre of the picture by Pillow and torchvision; all of it, as the seed
project's handler does."""


@dataclass(frozen=True)
class Probe:
    """A picture to which the right answer is known."""

    number: int
    """Of its body."""
    classes: dict[Reading, int]
    """The most probable class."""


@dataclass(frozen=True)
class Workload:
    """One model and the bodies that are sent to it."""

    architecture: str
    image_size: int
    folder: Path
    """`ours/model` holds our form of the model, `seed/model` the seed project's."""
    pictures: list[Path]
    """JPEG files."""
    json_bodies: list[Path]
    """The same as `{"image": "<base64>"}`."""
    probes: list[Probe]

    @property
    def mean_bytes(self) -> float:
        """Of a picture's file."""
        return sum(path.stat().st_size for path in self.pictures) / len(self.pictures)

    @classmethod
    def make(
        cls, folder: Path, architecture: str, image_size: int, *, pictures: int, kept: Path | None,
        told: Callable[[str], None],
    ) -> "Workload":  # fmt: skip
        """Write everything.

        Args:
            folder: An empty directory.
            architecture: Of the network; its weights are random, by a fixed seed.
            image_size: Pixels of its input's side.
            pictures: How many different bodies; 16 at least.
            kept: Where generated pictures are kept for the next time; None for the system's temporary directory.
            told: Given a line now and then.
        """
        source = picture_folder(pictures, seed=_SEED, directory=kept, told=told)
        files = []
        (folder / "bodies").mkdir(parents=True)
        for number, path in enumerate(sorted(source.rglob("*.jpg"))):
            files.append(folder / "bodies" / f"{number:04}.jpg")
            shutil.copyfile(path, files[-1])
            text = base64.b64encode(path.read_bytes()).decode()
            files[-1].with_suffix(".json").write_text(json.dumps({"image": text}))
        numbers = list(range(0, len(files), max(1, len(files) // _LOOKED_AT)))
        views = _views([files[number] for number in numbers], image_size)
        network = _network(architecture, views["crop"])
        card = ModelCard(
            architecture=architecture,
            classes=tuple(f"class {number}" for number in range(CLASSES)),
            preprocessing=Preprocessing.for_size(image_size),
        )
        save(folder / "ours" / "model", network.state_dict(), card)
        (folder / "seed" / "model").mkdir(parents=True)
        torch.save(network.state_dict(), folder / "seed" / "model" / "model.pth")
        return cls(
            architecture, image_size, folder, files, [path.with_suffix(".json") for path in files],
            _probes(network, views, numbers),
        )  # fmt: skip


def transform(reading: Literal["crop", "squash"], image_size: int) -> Callable[[Image.Image], torch.Tensor]:
    """torchvision's transforms from a picture to the network's input."""
    sides = Preprocessing.for_size(image_size)
    resize = (
        [transforms.Resize(sides.short_side), transforms.CenterCrop(image_size)]
        if reading == "crop"
        else [transforms.Resize((image_size, image_size))]
    )
    composed: Callable[[Image.Image], torch.Tensor] = transforms.Compose(
        [*resize, transforms.ToTensor(), transforms.Normalize(sides.mean, sides.std)]
    )
    return composed


def _views(files: list[Path], image_size: int) -> dict[Reading, torch.Tensor]:
    """The same pictures as the network's input, (N, 3, size, size), by each way of reading them."""
    ours = Preprocessing.for_size(image_size)
    squares = [square(file.read_bytes(), ours, MAX_PIXELS) for file in files]
    pictures = [Image.open(file).convert("RGB") for file in files]
    return {
        "ours": ours.normalize(torch.from_numpy(np.stack(squares))),
        "crop": torch.stack([transform("crop", image_size)(picture) for picture in pictures]),
        "squash": torch.stack([transform("squash", image_size)(picture) for picture in pictures]),
    }


def _network(architecture: str, batch: torch.Tensor) -> nn.Module:
    """Random weights, but with the statistics that real pictures give, so that answers differ between pictures."""
    torch.manual_seed(_SEED)
    network = build_model(architecture, CLASSES)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # the mean over all batches, of which there is one
    head = network.get_submodule("fc")
    seen: list[torch.Tensor] = []
    watch = head.register_forward_pre_hook(lambda _head, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        network.train()(batch)
        network.eval()(batch)
        watch.remove()
        weight, bias = head.get_parameter("weight"), head.get_parameter("bias")
        weight.mul_(20)
        bias.copy_(-weight @ seen[-1].mean(dim=0))
    return network


@torch.no_grad()
def _probes(network: nn.Module, views: dict[Reading, torch.Tensor], numbers: list[int]) -> list[Probe]:
    """The pictures whose first class is furthest ahead of the second, however they are read."""
    best = {reading: network(view).topk(2, dim=1) for reading, view in views.items()}
    margins = torch.stack([top.values[:, 0] - top.values[:, 1] for top in best.values()]).amin(dim=0)
    return [
        Probe(numbers[place], {reading: int(top.indices[place, 0]) for reading, top in best.items()})
        for place in margins.argsort(descending=True)[:_PROBES].tolist()
    ]
