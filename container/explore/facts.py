"""The facts of one picture: format, size, hashes of its bytes and pixels, and its outline."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from container.contract.errors import PictureError
from container.explore.outline import outline
from container.picture import open_picture, read_picture


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a picture's file says about it."""

    width: int
    """Pixels, after EXIF orientation."""
    height: int
    format: str
    mode: str
    """Pillow's name of the pixel format in the file, for example RGB, L or CMYK."""
    file_bytes: int
    file_digest: str
    pixel_digest: str
    """Hash of the decoded RGB pixels and their size: equal for a picture saved twice losslessly."""
    outline: bytes = b""
    """Grey values and colours, from `container.explore.outline`."""


def read_facts(path: Path) -> Facts | str:
    """Read a file, and return its facts, or the reason why training cannot read it."""
    try:
        data = path.read_bytes()
        rgb = read_picture(data)
    except OSError as error:
        return f"the file cannot be opened: {error.strerror}"
    except PictureError as error:
        return str(error)
    with open_picture(data) as header:
        format_name, mode = header.format or "unknown", header.mode
    pixels = hashlib.blake2b(f"{rgb.width}x{rgb.height}".encode(), digest_size=16)
    pixels.update(rgb.tobytes())
    return Facts(
        width=rgb.width,
        height=rgb.height,
        format=format_name,
        mode=mode,
        file_bytes=len(data),
        file_digest=hashlib.blake2b(data, digest_size=16).hexdigest(),
        pixel_digest=pixels.hexdigest(),
        outline=outline(rgb),
    )
