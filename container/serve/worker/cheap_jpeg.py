"""Recognises JPEGs that are cheap to decode, judging by their headers; nearly all are."""

from collections.abc import Iterator
from typing import Literal

_START = b"\xff\xd8"
_SCAN = b"\xff\xda"
_EXIF, _MULTI_PICTURE = b"Exif\x00\x00", b"MPF\x00"

_BASELINE, _PROGRESSIVE = (0xC0, 0xC1), 0xC2
_OF_SCAN = 0xDA

MOST_PIXELS = 25_000_000
"""Pixels to decode, at the reduced scale where that is enough."""
_MOST_SCANS = 20
# Pillow parses segments in Python.
_MOST_SEGMENTS = 300
# Each EXIF entry says how much Pillow reads for it.
_MOST_ENTRIES = 256
_MOST_MULTI_PICTURE_BYTES = 4096


def is_cheap_jpeg(data: bytes, shrink_to: int | None) -> bool:
    """Whether a file is a JPEG that takes little time and memory to decode.

    Args:
        data: The file.
        shrink_to: The shorter side, in pixels, that is enough; None to decode at full size.
    """
    if not data.startswith(_START):
        return False
    has_exif = False
    for number, (marker, content) in enumerate(_segments(data)):
        if number >= _MOST_SEGMENTS:
            return False
        if content.startswith(_EXIF):
            if has_exif or _entries(content[len(_EXIF) :]) > _MOST_ENTRIES:
                return False
            has_exif = True
        elif content.startswith(_MULTI_PICTURE) and len(content) > _MOST_MULTI_PICTURE_BYTES:
            return False
        elif marker in _BASELINE or marker == _PROGRESSIVE:
            height, width = int.from_bytes(content[1:3], "big"), int.from_bytes(content[3:5], "big")
            # A progressive file's coefficients are all kept and updated in each scan, whatever the scale.
            scale = 1 if marker == _PROGRESSIVE or not shrink_to else min(8, max(1, min(width, height) // shrink_to))
            if width * height > MOST_PIXELS * scale**2 or data.count(_SCAN) > _MOST_SCANS:
                return False
        elif marker == _OF_SCAN:
            return True
    return False


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield each segment's marker and content, up to the first scan."""
    at = len(_START)
    while at + 4 <= len(data) and data[at] == 0xFF:
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        yield data[at + 1], data[at + 4 : at + 2 + length]
        at += 2 + length


def _entries(exif: bytes) -> int:
    """Count the entries in the first directory of an EXIF block."""
    order: Literal["little", "big"] = "little" if exif.startswith(b"II") else "big"
    start = int.from_bytes(exif[4:8], order)
    return int.from_bytes(exif[start : start + 2], order)
