"""Handles files that a decoder refuses: identifies what they are, or repairs them without guessing at pixels."""

import hashlib
import io
import re
import zlib

from PIL import Image

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_END_OF_JPEG = b"\xff\xd9"

# Appended to a truncated JPEG in place of the missing data: filler bytes, and more of them for every restart interval.
_FILLINGS = tuple(
    filling * 4 + b"".join(bytes((0xFF, 0xD0 + number)) + filling for number in range(8))
    for filling in (b"\xa5" * 16, b"\x5a\xc3" * 8, bytes(range(7, 247, 15)))
)

# Ancillary chunks that change how a picture looks: transparency, and EXIF with its orientation.
_KEPT = (b"tRNS", b"eXIf")

_CONVERT = "which is not supported: convert it to JPEG or PNG"
_STARTS = (
    (
        b"version https://git-lfs.github.com/spec",
        "it is a Git LFS pointer, not the picture: run git lfs pull in the clone that the data came from",
    ),
    (b"\xff\x0a", f"it is JPEG XL, {_CONVERT}"),
    (b"\x00\x00\x00\x0cJXL ", f"it is JPEG XL, {_CONVERT}"),
    (b"8BPS", f"it is a Photoshop file, {_CONVERT}"),
    (b"%PDF", f"it is a PDF, {_CONVERT}"),
    (b"PK\x03\x04", "it is a zip archive: unpack it"),
    (b"\x1f\x8b", "it is a gzip archive: unpack it"),
)
_HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_MARKUP = (
    (b"<!doctype html", "it is a web page saved in place of the picture: download it again"),
    (b"<html", "it is a web page saved in place of the picture: download it again"),
    (b"<svg", f"it is SVG, {_CONVERT}"),
    (b"<error>", "it is an error message in XML, saved in place of the picture: download it again"),
)

# What clients send by mistake in place of a picture's file.
_TEXTS = (
    (re.compile(rb"\s*b['\"]"), "a Python bytes literal (b'...') as text"),
    (re.compile(rb"\s*\"?data:[^,]{0,100},"), "a data URL, which must be decoded first"),
    (re.compile(rb"\s*\"?[A-Za-z0-9+/_-]{64}"), "text in base64, which must be decoded first"),
    (re.compile(rb"\s*[{\[]"), "JSON"),
    (re.compile(rb"\s*<[!?A-Za-z]"), "HTML or XML"),
)


def what_it_is(data: bytes) -> str:
    """Describe a file that is not a picture in a known format, and what to do about it."""
    for start, meaning in _STARTS:
        if data.startswith(start):
            return meaning
    if data[4:8] == b"ftyp":
        if data[8:12] in _HEIC:
            return f"it is HEIC, {_CONVERT}"
        return "it is a video or another ISO media file, which is not supported"
    head = data[:1024].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if head.startswith(b"<"):
        for start, meaning in _MARKUP:
            if start in head:
                return meaning
    found = next((name for pattern, name in _TEXTS if pattern.match(data)), None)
    return "not a picture in a known format" + (f", but {found}" if found else "")


def without_ancillary_chunks(data: bytes) -> bytes | None:
    """Remove everything but the pixels from a PNG: texts, a colour profile, chunks with a wrong checksum.

    Returns:
        None if it is not a PNG, is cut within a critical chunk, or has nothing to remove.
    """
    if not data.startswith(_PNG):
        return None
    kept, at = [_PNG], len(_PNG)
    while at + 8 <= len(data):
        length, name = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        chunk = data[at : at + 12 + length]
        is_critical = name[:1].isupper()
        if is_critical or (name in _KEPT and zlib.crc32(chunk[4:-4]) == int.from_bytes(chunk[-4:], "big")):
            kept.append(chunk)
        at += 12 + length
    mended = b"".join(kept)
    return mended if len(mended) < len(data) else None


def with_end_marker(data: bytes, max_pixels: int) -> bytes | None:
    """Add the end marker to a JPEG that lacks only that.

    Returns:
        None if it is not a JPEG, or lacks more.
    """
    if not data.startswith(_JPEG):
        return None
    data = data.removesuffix(b"\xff")  # half of the marker
    most = max_pixels // 4
    try:
        # If pixels are missing, the decoder makes them from whatever follows: different fillers give different
        # pixels. Most truncated files already show that at an eighth of their size, which is cheap.
        for divisor, fillings in ((8, _FILLINGS[:1]), (1, _FILLINGS)):
            whole = _pixels(data + _END_OF_JPEG, divisor, most)
            if any(_pixels(data + filling + _END_OF_JPEG, divisor, most) != whole for filling in fillings):
                return None
    except (OSError, SyntaxError, ValueError):
        return None
    return data + _END_OF_JPEG


def _pixels(data: bytes, divisor: int, most: int) -> bytes:
    """Hash the pixels of a JPEG decoded at a fraction of its size, and at no more than `most` pixels."""
    image = Image.open(io.BytesIO(data), formats=("JPEG",))
    while divisor < 8 and image.width * image.height > most * divisor**2:
        divisor *= 2
    if divisor > 1:
        image.draft(image.mode, (image.width // divisor, image.height // divisor))
    return hashlib.blake2b(image.tobytes()).digest()
