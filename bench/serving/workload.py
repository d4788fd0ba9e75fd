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
from container.export.pictures import Pictures
from container.model_card import ModelCard
from container.networks.build import build_model
from container.networks.head import head_names
from container.picture_limits import MAX_PIXELS
from container.preprocessing import Preprocessing
from container.serve.worker.pixels import square

CLASSES = 133
_SEED = 0
# Pictures used for the network's statistics, without and with an INT8 graph; the clearest of them become probes.
_LOOKED_AT, _LOOKED_AT_FOR_INT8 = 16, 128
# How many of them have a class of their own: with more, rounding to 8 bits changes the class of some picture.
_APART = 2
_PROBES_OF_A_CLASS = 2
_CALIBRATION = 50  # pictures, the clearest, that an INT8 graph is made and judged with
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
            int8: Add an INT8 graph, which our server then chooses; `float/model` is the model without it. It
                needs 128 pictures, the clearest of which must keep their classes.

        Raises:
            ValueError: There are too few pictures, or the INT8 graph was not kept.
        """
        looked_at = _LOOKED_AT_FOR_INT8 if int8 else _LOOKED_AT
        if pictures < looked_at:
            raise ValueError(f"{pictures} pictures are too few: at least {looked_at}{' for INT8' * int8}")
        source = picture_folder(pictures, seed=_SEED, directory=kept, told=told)
        files = []
        (folder / "bodies").mkdir(parents=True)
        for number, path in enumerate(sorted(source.rglob("*.jpg"))):
            files.append(folder / "bodies" / f"{number:04}.jpg")
            shutil.copyfile(path, files[-1])
            text = base64.b64encode(path.read_bytes()).decode()
            files[-1].with_suffix(".json").write_text(json.dumps({"image": text}))
        numbers = list(range(0, len(files), len(files) // looked_at))[:looked_at]
        views = _views([files[number] for number in numbers], image_size)
        network = _network(architecture, views["crop"])
        seen = _Seen.by(network, views)
        card = ModelCard(
            architecture=architecture,
            classes=tuple(f"class {number}" for number in range(CLASSES)),
            preprocessing=Preprocessing.for_size(image_size),
        )
        save(folder / "ours" / "model", network.state_dict(), card)
        if find_spec("openvino"):
            clear = seen.clearest[:_CALIBRATION]
            squares = [square(files[numbers[place]].read_bytes(), card.preprocessing, MAX_PIXELS) for place in clear]
            looked = Pictures(np.stack(squares), seen.classes["ours"][clear].numpy())
            _export(folder / "ours" / "model", looked, told, int8=False)
            if int8:
                shutil.copytree(folder / "ours", folder / "float")
                _export(folder / "ours" / "model", looked, told, int8=True)
        (folder / "seed" / "model").mkdir(parents=True)
        torch.save(network.state_dict(), folder / "seed" / "model" / "model.pth")
        return cls(
            architecture, image_size, folder, files, [path.with_suffix(".json") for path in files],
            [
                Probe(numbers[place], {reading: int(found[place]) for reading, found in seen.classes.items()})
                for place in seen.clearest_of_each_class(_PROBES_OF_A_CLASS)
            ],
        )  # fmt: skip


def _export(model_dir: Path, pictures: Pictures, told: Callable[[str], None], *, int8: bool) -> None:
    # Only here: torch serves the model where OpenVINO is missing.
    from container.export.export import export

    card = export(model_dir, pictures, int8=int8, told=told)
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
    """Make a network with random weights that tells some of the given pictures apart, by far more than rounding does.

    Its batch normalisations have the pictures' statistics. Its head has a class each for the features of the pictures
    that are least alike, and a score below all of these for the other classes.
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
    inputs: list[torch.Tensor] = []
    watch = head.register_forward_pre_hook(lambda _head, given: inputs.append(given[0]))
    with torch.no_grad():
        network.train()(batch)
        network.eval()(batch)
        watch.remove()
        weight, bias = head.get_parameter("weight"), head.get_parameter("bias")
        mean = inputs[-1].mean(dim=0)
        away = inputs[-1] - mean
        own = away[_least_alike(away, min(_APART, len(away)))]
        weight.zero_()[: len(own)] = _CLEAR * own / own.square().sum(dim=1, keepdim=True)
        bias.copy_(-weight @ mean)
        bias[len(own) :] = -_CLEAR
    return network


def _least_alike(features: torch.Tensor, count: int) -> list[int]:
    """Choose the rows of (N, features) that are furthest from each other, one after the other."""
    distances = torch.cdist(features, features)
    chosen = [int(features.square().sum(dim=1).argmax())]
    while len(chosen) < count:
        chosen.append(int(distances[:, chosen].amin(dim=1).argmax()))
    return chosen


@dataclass(frozen=True)
class _Seen:
    """What a network sees in pictures."""

    classes: dict[Reading, torch.Tensor]
    """The most probable classes, (N,), by reading."""
    clearest: list[int]
    """The pictures by how far their first class is ahead of the second, in the reading where it is least."""

    @classmethod
    @torch.no_grad()
    def by(cls, network: nn.Module, views: dict[Reading, torch.Tensor]) -> "_Seen":
        best = {reading: network(view).topk(2, dim=1) for reading, view in views.items()}
        margins = torch.stack([top.values[:, 0] - top.values[:, 1] for top in best.values()]).amin(dim=0)
        return cls(
            {reading: top.indices[:, 0] for reading, top in best.items()}, margins.argsort(descending=True).tolist()
        )

    def clearest_of_each_class(self, number: int) -> list[int]:
        """Choose this many pictures of each class, as far as there are."""
        of_class: dict[int, list[int]] = {}
        for place in self.clearest:
            of_class.setdefault(int(self.classes["ours"][place]), []).append(place)
        return [place for places in of_class.values() for place in places[:number]]
