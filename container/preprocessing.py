"""From a picture to the network's input: defined once, used by evaluation, export and serving."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import numpy.typing as npt
from PIL import Image

from container.errors import ArtifactError

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """How a picture becomes a square of pixels and then a normalised tensor.

    A picture becomes uint8 first, on the CPU, and is normalised in batches on the model's device: a
    quarter of the bytes to copy.
    """

    size: int = 224
    """Side of the network's input, pixels."""

    resize: Literal["crop", "squash"] = "crop"
    """`crop`: the shorter side to `short_side`, then the centre square (torchvision's evaluation recipe).
    `squash`: both sides to `size`, as the seed project's inference handler does."""

    short_side: int = 256
    """Pixels of the shorter side before the centre crop; not used by `squash`."""

    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD

    def __post_init__(self) -> None:
        if self.size < 1 or (self.resize == "crop" and self.short_side < self.size):
            raise ArtifactError(
                f"preprocessing: size {self.size} and short_side {self.short_side} do not fit: "
                "size is at least 1 and short_side at least size"
            )
        if self.resize not in ("crop", "squash"):
            raise ArtifactError(f"preprocessing.resize is {self.resize!r}; it is 'crop' or 'squash'")
        if min(self.std) <= 0:
            raise ArtifactError("preprocessing.std holds three numbers above zero")

    @classmethod
    def for_size(cls, size: int) -> Self:
        """The evaluation recipe for an input side: the shorter side is 256/224 of it."""
        return cls(size=size, short_side=round(size * 256 / 224))

    @property
    def shrink_to(self) -> int | None:
        """What `read_picture` may shrink a JPEG to. Not for `squash`, which keeps the seed's answers."""
        return self.short_side if self.resize == "crop" else None

    def to_array(self, picture: Image.Image) -> npt.NDArray[np.uint8]:
        """Resize an RGB picture to the input square: uint8, shape (size, size, 3)."""
        # Crop and resize are one pass.
        box = self.box(*picture.size)
        return np.asarray(picture.resize((self.size, self.size), Image.Resampling.BILINEAR, box=box))

    def box(self, width: int, height: int) -> tuple[float, float, float, float]:
        """Which part of a picture becomes the input square: left, top, right and bottom edge in its own pixels."""
        if self.resize == "squash":
            return 0, 0, width, height
        side = min(width, height) * self.size / self.short_side
        left, top = (width - side) / 2, (height - side) / 2
        return left, top, left + side, top + side

    def normalize(self, batch: "torch.Tensor") -> "torch.Tensor":
        """uint8 (N, size, size, 3) on any device -> float32 (N, 3, size, size) there, channels last in memory."""
        return self.normalizer(batch.device)(batch)

    def normalizer(self, device: "torch.device") -> "Callable[[torch.Tensor], torch.Tensor]":
        """`normalize` for one device, to which nothing more is copied then."""
        # Only here: a server that computes with something else starts without it.
        import torch

        mean = torch.tensor(self.mean, device=device).mul_(255)
        std = torch.tensor(self.std, device=device).mul_(255)
        return lambda batch: batch.to(torch.float32).sub_(mean).div_(std).permute(0, 3, 1, 2)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, fields: object) -> Self:
        """Read what `to_json` wrote; an ArtifactError names what does not fit."""
        if not isinstance(fields, dict):
            raise ArtifactError("preprocessing is not an object with the fields size, resize, short_side, mean, std")
        try:
            return cls(
                size=int(fields["size"]),
                resize=fields["resize"],
                short_side=int(fields["short_side"]),
                mean=_three(fields["mean"]),
                std=_three(fields["std"]),
            )
        except KeyError as error:
            raise ArtifactError(f"preprocessing.{error.args[0]} is missing") from error
        except (TypeError, ValueError) as error:
            raise ArtifactError(f"preprocessing holds a value of the wrong type: {error}") from error


def _three(values: Any) -> tuple[float, float, float]:
    red, green, blue = values
    return float(red), float(green), float(blue)
