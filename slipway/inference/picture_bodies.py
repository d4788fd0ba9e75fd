"""Request bodies from pictures, in the serving image's formats and within an endpoint's limits."""

import base64
import io
import json
import mimetypes
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard, Union

from slipway.errors import RequestError

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

ANY_PICTURE = "application/x-image"
ARRAY = "application/x-npy"
JSON = "application/json"

LIMIT_BYTES = 6_291_456
"""Largest body with several pictures: the smallest limit in AWS's documents for a real-time endpoint."""

MOST_PICTURES = 200
"""Most pictures in a body: a CPU answers them well within SageMaker's 60 s, and the container accepts more."""

LARGEST_BYTES = 26_214_400
"""Largest body of any kind: the highest of AWS's limits."""

Picture = Union[str, Path, bytes, "Image", "np.ndarray[Any, Any]"]
"""A picture's file or its bytes, a Pillow picture, or a uint8 array (height, width, 3)."""


@dataclass(frozen=True)
class Body:
    """The body of a request."""

    content: bytes
    content_type: str
    many: bool
    """Whether it holds a list of pictures, so that the answer is a list too."""


def is_many(pictures: Any) -> bool:
    """Whether the argument is several pictures: a list, a tuple, or an array (pictures, height, width, 3)."""
    return isinstance(pictures, list | tuple) or (_is_array(pictures) and pictures.ndim == 4)


def _is_array(value: Any) -> TypeGuard["np.ndarray[Any, Any]"]:
    # Whoever has an array has imported numpy; the commands need not.
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, numpy.ndarray)


def bodies(
    pictures: Picture | Sequence[Picture], limit_bytes: int = LIMIT_BYTES, most: int | None = MOST_PICTURES
) -> Iterator[Body]:
    """Yield the request bodies for pictures, in order.

    Args:
        pictures: One or several.
        limit_bytes: Largest size of a body with more than one picture.
        most: Maximum number of pictures in a body; None: as many as fit.

    Raises:
        RequestError: An item is not a picture: a missing file, an array of another type or shape.
    """
    if not is_many(pictures):
        yield one_body(pictures)  # type: ignore[arg-type]  # is_many has told
    elif _is_array(pictures):
        _check_array(pictures)
        per_body = max(1, (limit_bytes - 256) // max(1, pictures[0].nbytes)) if len(pictures) else 1
        per_body = min(per_body, most or per_body)
        for start in range(0, len(pictures), per_body):
            yield Body(_npy(pictures[start : start + per_body]), ARRAY, many=True)
    else:
        yield from _instances([_file_bytes(picture) for picture in pictures], limit_bytes, most)  # type: ignore[arg-type, union-attr]


def one_body(picture: Picture) -> Body:
    """Build the request body for one picture.

    Raises:
        RequestError: The argument is not a picture.
    """
    if _is_array(picture):
        _check_array(picture)
        return Body(_npy(picture), ARRAY, many=False)
    guess = mimetypes.guess_type(str(picture))[0] if isinstance(picture, str | Path) else None
    content_type = guess if guess and guess.startswith("image/") else ANY_PICTURE
    return Body(_file_bytes(picture), content_type, many=False)


def _instances(files: Sequence[bytes], limit_bytes: int, most: int | None) -> Iterator[Body]:
    batch: list[str] = []
    size = 0
    for text in (base64.b64encode(file).decode() for file in files):
        if batch and (size + len(text) + 32 > limit_bytes or len(batch) == most):
            yield _instances_body(batch)
            batch, size = [], 0
        batch.append(text)
        size += len(text) + 32
    if batch:
        yield _instances_body(batch)


def _instances_body(texts: Sequence[str]) -> Body:
    return Body(json.dumps({"instances": [{"b64": text} for text in texts]}).encode(), JSON, many=True)


def _file_bytes(picture: Picture) -> bytes:
    if isinstance(picture, bytes | bytearray | memoryview):
        return bytes(picture)
    if isinstance(picture, str | Path):
        try:
            return Path(picture).read_bytes()
        except OSError as error:
            raise RequestError(f"{picture} cannot be read: {error.strerror}") from error
    if _is_array(picture):
        _check_array(picture)
        if picture.ndim != 3:
            raise RequestError(f"an array in a list has shape {picture.shape}; each must be (height, width, 3)")
        from PIL.Image import fromarray

        return _png(fromarray(picture))
    if hasattr(picture, "save") and hasattr(picture, "mode"):
        return _png(picture)  # type: ignore[arg-type]  # no array has both
    raise RequestError(
        f"a {type(picture).__name__} is not a picture; give a file, its bytes, a Pillow picture, a uint8 array, or a "
        "list of them"
    )


def _png(picture: "Image") -> bytes:
    data = io.BytesIO()
    # PNG has no counterpart for Pillow's other modes.
    (picture if picture.mode in ("1", "L", "LA", "I;16", "P", "RGB", "RGBA") else picture.convert("RGB")).save(
        data, format="PNG"
    )
    return data.getvalue()


def _npy(array: "np.ndarray[Any, Any]") -> bytes:
    import numpy as np

    data = io.BytesIO()
    np.save(data, np.ascontiguousarray(array), allow_pickle=False)
    return data.getvalue()


def _check_array(array: "np.ndarray[Any, Any]") -> None:
    if array.dtype != "uint8":
        raise RequestError(f"the array is of {array.dtype}; give uint8 values from 0 to 255")
    if array.ndim not in (3, 4) or array.shape[-1] != 3:
        raise RequestError(
            f"the array has shape {array.shape}; give (height, width, 3) or (pictures, height, width, 3)"
        )
