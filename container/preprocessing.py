"""Turns a picture into the network's input; used by evaluation, export and serving."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import numpy.typing as npt
from PIL import Image

from container.contract.errors import ArtifactError
from container.transparency import resize_over_white

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

Interpolation = Literal["bilinear", "bicubic"]
_FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """The steps from a picture to a square of pixels, and from that to a normalised tensor.

    Squares are uint8 on the CPU, and are normalised in batches on the model's device: a quarter of the bytes to copy.
    """

    size: int = 224
    """Side of the network's input, pixels."""

    resize: Literal["crop", "squash"] = "crop"
    """`crop`: the shorter side to `short_side`, then the centre square (torchvision's evaluation recipe).
    `squash`: both sides to `size`, as the seed project's inference handler once did."""

    short_side: int = 256
    """Pixels of the shorter side before the centre crop; not used by `squash`."""

    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD

    interpolation: Interpolation = "bilinear"
    """Filter with which pictures are resized."""

    def __post_init__(self) -> None:
        if self.size < 1 or (self.resize == "crop" and self.short_side < self.size):
            raise ArtifactError(
                f"preprocessing: size {self.size} and short_side {self.short_side} do not fit: "
                "size is at least 1 and short_side at least size"
            )
        if self.resize not in ("crop", "squash"):
            raise ArtifactError(f"preprocessing.resize is {self.resize!r}; it is 'crop' or 'squash'")
        if self.interpolation not in _FILTERS:
            raise ArtifactError(
                f"preprocessing.interpolation is {self.interpolation!r}; it is {' or '.join(map(repr, _FILTERS))}"
            )
        if min(self.std) <= 0:
            raise ArtifactError("preprocessing.std holds three numbers above zero")

    @classmethod
    def for_size(cls, size: int) -> Self:
        """Make the evaluation recipe for an input side: the shorter side is 256/224 of it."""
        return cls(size=size, short_side=round(size * 256 / 224))

    @property
    def shrink_to(self) -> int | None:
        """The shorter side to which `read_picture` may reduce a JPEG; None for `squash`, to keep that handler's
        answers."""
        return self.short_side if self.resize == "crop" else None

    def to_array(self, picture: Image.Image) -> npt.NDArray[np.uint8]:
        """Resize an RGB picture, or an RGBA one over white, to the input square: uint8, shape (size, size, 3)."""
        # Crops and resizes in one pass.
        size, box, resample = (self.size, self.size), self.box(*picture.size), _FILTERS[self.interpolation]
        if picture.mode == "RGBA":
            return np.asarray(resize_over_white(picture, size, box, resample))
        return np.asarray(picture.resize(size, resample, box=box))

    def box(self, width: int, height: int) -> tuple[float, float, float, float]:
        """Compute the part of a picture that becomes the input square: left, top, right and bottom, in its pixels."""
        if self.resize == "squash":
            return 0, 0, width, height
        # Rounded as in torchvision, which resizes to whole pixels and crops at whole pixels, to give equal results.
        shorter = min(width, height)
        wide, high = self.short_side * width // shorter, self.short_side * height // shorter
        left, top = round((wide - self.size) / 2), round((high - self.size) / 2)
        across, down = width / wide, height / high
        return left * across, top * down, (left + self.size) * across, (top + self.size) * down

    def normalize(self, batch: "torch.Tensor") -> "torch.Tensor":
        """Normalise uint8 (N, size, size, 3) on any device to float32 (N, 3, size, size) there, channels last."""
        return self.normalizer(batch.device)(batch)

    def normalizer(self, device: "torch.device") -> "Callable[[torch.Tensor], torch.Tensor]":
        """Return `normalize` for one device, with mean and deviation already copied there."""
        # Only here: a server that computes with OpenVINO starts without torch.
        import torch

        mean = torch.tensor(self.mean, device=device).mul_(255)
        std = torch.tensor(self.std, device=device).mul_(255)
        return lambda batch: batch.to(torch.float32).sub_(mean).div_(std).permute(0, 3, 1, 2)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, fields: object) -> Self:
        """Read what `to_json` wrote.

        Raises:
            ArtifactError: A field is missing or wrong.
        """
        if not isinstance(fields, dict):
            raise ArtifactError("preprocessing is not an object with the fields size, resize, short_side, mean, std")
        try:
            return cls(
                size=int(fields["size"]),
                resize=fields["resize"],
                short_side=int(fields["short_side"]),
                mean=_three(fields["mean"]),
                std=_three(fields["std"]),
                # Cards that do not say it are of a time when it was always this.
                interpolation=fields.get("interpolation", "bilinear"),
            )
        except KeyError as error:
            raise ArtifactError(f"preprocessing.{error.args[0]} is missing") from error
        except (TypeError, ValueError) as error:
            raise ArtifactError(f"preprocessing holds a value of the wrong type: {error}") from error


def _three(values: Any) -> tuple[float, float, float]:
    red, green, blue = values
    return float(red), float(green), float(blue)
