"""The workload of every server: one model in the forms that they load, request bodies, and known answers."""

import base64
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import nn
from torchvision import transforms
from torchvision.models.resnet import BasicBlock, Bottleneck

from bench.pictures import picture_folder
from container.artifact import save
from container.model_card import ModelCard
from container.networks.build import build_model
from container.networks.head import head_names
from container.picture_limits import MAX_PIXELS
from container.preprocessing import Preprocessing
from container.serve.worker.pixels import square

CLASSES = 133
_SEED = 0
# Pictures used for the network's statistics; the clearest of them become probes.
_LOOKED_AT = 16
_PROBES = 4
_CLEAR = 20.0  # the logit of a picture's own class
_BRANCH = 0.2
"""Scale of what a ResNet's block adds to its input. Training starts from 0; with the default, 1, a random network
magnifies the rounding to 8 bits from block to block, as no trained network does."""

Reading = Literal["ours", "crop", "squash"]
"""How a file becomes the input: as in our server; its centre, by Pillow and torchvision; or all of it, as in the seed
project's handler."""


@dataclass(frozen=True)
class Probe:
    """A picture with a known answer."""

    number: int
    """Index of its body."""
    classes: dict[Reading, int]
    """The most probable class, by reading."""


@dataclass(frozen=True)
class Workload:
    """A model and the bodies sent to it."""

    architecture: str
    image_size: int
    folder: Path
    """`ours/model` holds the model in our form, `seed/model` in the seed project's."""
    pictures: list[Path]
    """JPEG files."""
    json_bodies: list[Path]
    """The same pictures as `{"image": "<base64>"}`."""
    probes: list[Probe]

    @property
    def mean_bytes(self) -> float:
        """Mean size of a picture's file."""
        return sum(path.stat().st_size for path in self.pictures) / len(self.pictures)

    @classmethod
    def make(
        cls, folder: Path, architecture: str, image_size: int, *, pictures: int, kept: Path | None,
        told: Callable[[str], None], int8: bool = False,
    ) -> "Workload":  # fmt: skip
        """Write model and bodies.

        Args:
            folder: An empty directory.
            architecture: Of the network; its weights are random, with a fixed seed.
            image_size: Side of its input, pixels.
            pictures: Number of different bodies, at least 16.
            kept: Where generated pictures are kept for reuse; None for the system's temporary directory.
            told: Receives progress, as lines.
            int8: Add an INT8 graph, which our server then chooses; `float/model` is the model without it. The network
                then tells up to 133 of the pictures apart, of which the graph needs 50 at least.

        Raises:
            ValueError: The INT8 graph was not kept.
        """
        source = picture_folder(pictures, seed=_SEED, directory=kept, told=told)
        files = []
        (folder / "bodies").mkdir(parents=True)
        for number, path in enumerate(sorted(source.rglob("*.jpg"))):
            files.append(folder / "bodies" / f"{number:04}.jpg")
            shutil.copyfile(path, files[-1])
            text = base64.b64encode(path.read_bytes()).decode()
            files[-1].with_suffix(".json").write_text(json.dumps({"image": text}))
        looked_at = min(len(files), CLASSES if int8 else _LOOKED_AT)
        numbers = list(range(0, len(files), max(1, len(files) // looked_at)))[:CLASSES]
        views = _views([files[number] for number in numbers], image_size)
        network = _network(architecture, views["crop"])
        card = ModelCard(
            architecture=architecture,
            classes=tuple(f"class {number}" for number in range(CLASSES)),
            preprocessing=Preprocessing.for_size(image_size),
        )
        save(folder / "ours" / "model", network.state_dict(), card)
        if find_spec("openvino"):
            looked = [files[number] for number in numbers]
            _export(folder / "ours" / "model", card.preprocessing, looked, told, int8=False)
            if int8:
                shutil.copytree(folder / "ours", folder / "float")
                _export(folder / "ours" / "model", card.preprocessing, looked, told, int8=True)
        (folder / "seed" / "model").mkdir(parents=True)
        torch.save(network.state_dict(), folder / "seed" / "model" / "model.pth")
        return cls(
            architecture, image_size, folder, files, [path.with_suffix(".json") for path in files],
            _probes(network, views, numbers),
        )  # fmt: skip


def _export(
    model_dir: Path, preprocessing: Preprocessing, files: list[Path], told: Callable[[str], None], *, int8: bool
) -> None:
    # Only here: torch serves the model where OpenVINO is missing.
    from container.export.export import export
    from container.export.pictures import Pictures

    squares = np.stack([square(file.read_bytes(), preprocessing, MAX_PIXELS) for file in files])
    card = export(model_dir, Pictures(squares, np.arange(len(files))), int8=int8, told=told)
    if why := card.export.get("int8_failed"):
        raise ValueError(f"no INT8 graph: {why}")


def transform(reading: Literal["crop", "squash"], image_size: int) -> Callable[[Image.Image], torch.Tensor]:
    """Compose torchvision's transforms from a picture to the network's input."""
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
    """Read pictures as the network's input, (N, 3, size, size), in each way."""
    ours = Preprocessing.for_size(image_size)
    squares = [square(file.read_bytes(), ours, MAX_PIXELS) for file in files]
    pictures = [Image.open(file).convert("RGB") for file in files]
    return {
        "ours": ours.normalize(torch.from_numpy(np.stack(squares))),
        "crop": torch.stack([transform("crop", image_size)(picture) for picture in pictures]),
        "squash": torch.stack([transform("squash", image_size)(picture) for picture in pictures]),
    }


def _network(architecture: str, batch: torch.Tensor) -> nn.Module:
    """Make a network with random weights that tells the given pictures apart, by far more than rounding changes.

    Its batch normalisations have the pictures' statistics; its head has a class for each picture's features, away from
    their mean, and random weights for the other classes.
    """
    torch.manual_seed(_SEED)
    network = build_model(architecture, CLASSES)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # the mean over all batches; there is one
        if isinstance(module, BasicBlock | Bottleneck):
            nn.init.constant_((module.bn3 if isinstance(module, Bottleneck) else module.bn2).weight, _BRANCH)
    [name] = {name.rpartition(".")[0] for name in head_names(architecture, network)}
    head = network.get_submodule(name)
    seen: list[torch.Tensor] = []
    watch = head.register_forward_pre_hook(lambda _head, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        network.train()(batch)
        network.eval()(batch)
        watch.remove()
        weight, bias = head.get_parameter("weight"), head.get_parameter("bias")
        mean = seen[-1].mean(dim=0)
        away = seen[-1] - mean
        weight[: len(away)] = _CLEAR * away / away.square().sum(dim=1, keepdim=True)
        bias.copy_(-weight @ mean)
    return network


@torch.no_grad()
def _probes(network: nn.Module, views: dict[Reading, torch.Tensor], numbers: list[int]) -> list[Probe]:
    """Choose the pictures whose first class is furthest ahead of the second, in every reading."""
    best = {reading: network(view).topk(2, dim=1) for reading, view in views.items()}
    margins = torch.stack([top.values[:, 0] - top.values[:, 1] for top in best.values()]).amin(dim=0)
    return [
        Probe(numbers[place], {reading: int(top.indices[place, 0]) for reading, top in best.items()})
        for place in margins.argsort(descending=True)[:_PROBES].tolist()
    ]
