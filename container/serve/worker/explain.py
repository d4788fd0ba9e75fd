"""Explanations: the interface of what finds where the network saw a class, and painting that."""

import io
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from container.picture import read_picture
from container.preprocessing import Preprocessing
from container.serve.protocol.explain_request import View
from container.serve.worker.request_body import Pixels

Heat = npt.NDArray[np.float32]
"""Shape (cells, cells), over the network's input square; from 0 to 1."""


class Explainer(Protocol):
    """A method of explaining predictions."""

    method: str
    """grad-cam or occlusion."""

    @property
    def layer(self) -> str:
        """Name of the layer that is analysed; `input` for the pixels themselves."""

    def heat(self, squares: Sequence[Pixels], classes: Sequence[int]) -> Heat:
        """Compute where in each square the network sees a class; returns shape (N, cells, cells)."""


_WEAK, _STRONG = np.array([255, 225, 0], np.float32), np.array([220, 0, 0], np.float32)
_OPACITY = 0.65
_UNSEEN_BRIGHTNESS = 0.4


def shown_picture(item: bytes | Pixels, size: int, max_pixels: int) -> Image.Image:
    """Read the whole picture, upright, scaled down to a longer side of at most `size` pixels.

    Raises:
        PictureError: As `read_picture`.
    """
    if isinstance(item, bytes):
        picture = read_picture(item, shrink_to=size, max_pixels=max_pixels)
    else:
        picture = Image.fromarray(np.ascontiguousarray(item))
    picture.thumbnail((size, size))
    return picture


def paint(picture: Image.Image, heat: Heat, preprocessing: Preprocessing, view: View) -> Image.Image:
    """Paint a heat map of the network's square onto the picture it came from.

    Args:
        picture: From `shown_picture`.
        heat: Of this picture.
        preprocessing: How the square was cut out of the picture. The rest has no heat; an overlay darkens it.
        view: `map`: 8-bit grey. `overlay`: RGB.

    Returns:
        A picture of the same size.
    """
    left, top, right, bottom = (round(edge) for edge in preprocessing.box(*picture.size))
    seen = Image.fromarray(heat).resize((max(1, right - left), max(1, bottom - top)), Image.Resampling.BILINEAR)
    whole = Image.new("F", picture.size, -1)
    whole.paste(seen, (left, top))
    values = np.asarray(whole)[..., None]
    if view == "map":
        return Image.fromarray((values[..., 0].clip(0, 1) * 255).round().astype(np.uint8))
    pixels = np.asarray(picture, np.float32) * np.where(values < 0, _UNSEEN_BRIGHTNESS, 1)
    strength = values.clip(0, 1)
    color = _WEAK + (_STRONG - _WEAK) * strength
    painted = pixels + (color - pixels) * (strength * _OPACITY)
    return Image.fromarray(painted.round().astype(np.uint8))


def png(picture: Image.Image) -> bytes:
    """Encode a picture as PNG."""
    data = io.BytesIO()
    # Half the time of the default level for files a tenth larger.
    picture.save(data, "PNG", compress_level=3)
    return data.getvalue()
