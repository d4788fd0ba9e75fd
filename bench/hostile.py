"""Request bodies that are small to send and expensive to answer, for `python -m bench.attack` and the tests."""

import base64
import io
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image

_BOUNDARY = "edge"
_FORM = f"multipart/form-data; boundary={_BOUNDARY}"
_SMALL = (64, 64)
_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_HEADER_BYTES = 33

# A progressive scan that refines one coefficient, without data.
_EMPTY_SCAN = bytes.fromhex("ffda0008010100063f02")


@dataclass(frozen=True)
class Hostile:
    """A body, made on demand."""

    name: str
    content_type: str
    make: Callable[[], bytes]


def all_bodies() -> Iterator[Hostile]:
    """Yield bodies that once blocked a worker or filled its memory, and others of their kinds."""
    for name, make in _PICTURES.items():
        yield Hostile(name, "application/x-image", make)
    for name, make in _JSON.items():
        yield Hostile(name, "application/json", make)
    for name, make in _FORMS.items():
        yield Hostile(name, _FORM, make)
    yield Hostile("8,000,000 empty JSON Lines", "application/jsonlines", lambda: b'""' + b"\n" * 8_000_000 + b'""')


def saved(image: Image.Image, form: str, **options: object) -> bytes:
    """Encode a picture as a file."""
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def scans(side: int, count: int) -> bytes:
    """Make a progressive JPEG with empty scans at its end."""
    file = saved(Image.new("RGB", (side, side), (90, 120, 30)), "JPEG", progressive=True)
    return file[:-2] + _EMPTY_SCAN * count + file[-2:]


def png(width: int, height: int, color_type: int, bytes_a_pixel: int) -> bytes:
    """Make a black PNG row by row, since Pillow would hold all of it in memory."""
    packer, rows = zlib.compressobj(9), []
    for _ in range(height):
        rows.append(packer.compress(bytes(1 + width * bytes_a_pixel)))
    rows.append(packer.flush())
    head = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, color_type, 0, 0, 0))
    palette = _chunk(b"PLTE", bytes(768)) + _chunk(b"tRNS", bytes(256)) if color_type == 3 else b""
    return _PNG + head + palette + _chunk(b"IDAT", b"".join(rows)) + _chunk(b"IEND", b"")


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def _png_with(extra: bytes) -> bytes:
    file = saved(Image.new("RGB", _SMALL), "PNG")
    return file[:_PNG_HEADER_BYTES] + extra + file[_PNG_HEADER_BYTES:]


def _jpeg_with(extra: bytes, mode: str = "RGB") -> bytes:
    file = saved(Image.new(mode, _SMALL), "JPEG")
    return file[:2] + extra + file[2:]


def _gif_with(extra: bytes) -> bytes:
    file = saved(Image.new("P", _SMALL), "GIF")
    at = file.index(b",", 13)
    return file[:at] + extra + file[at:]


def _tiff(width: int, height: int) -> bytes:
    """Make a grey TIFF with a strip for each row, all at the same bytes."""
    entries = 9
    offsets = 8 + 2 + 12 * entries + 4
    counts, data = offsets + 4 * height, offsets + 8 * height
    fields = (
        (256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1),
        (273, 4, height, offsets), (277, 3, 1, 1), (278, 4, 1, 1), (279, 4, height, counts),
    )  # fmt: skip
    head = b"II*\0" + struct.pack("<IH", 8, entries) + b"".join(struct.pack("<HHII", *field) for field in fields)
    return b"".join((head, bytes(4), struct.pack("<I", data) * height, struct.pack("<I", width) * height, bytes(width)))


def _directory(entries: int, size: int) -> bytes:
    """Make a TIFF directory whose entries all refer to the same bytes, which a reader copies for each."""
    start = 8 + 2 + 12 * entries + 4
    fields = b"".join(struct.pack("<HHII", 300 + number, 1, size - start, start) for number in range(entries))
    return b"II*\0" + struct.pack("<IH", 8, entries) + fields + bytes(4 + size - start)


def _bmp_runs(count: int) -> bytes:
    """Make a run-length encoded BMP with runs of one pixel."""
    width, colors = 4000, 256
    data = b"\x01\x05" * count
    start = 14 + 40 + 4 * colors
    sizes = struct.pack("<IiiHHIIiiII", 40, width, count // width, 1, 8, 1, len(data), 0, 0, colors, 0)
    return b"BM" + struct.pack("<IHHI", start + len(data), 0, 0, start) + sizes + bytes(4 * colors) + data


def _noise(form: str, width: int, height: int, **options: object) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return saved(Image.fromarray(pixels), form, **options)


@cache
def _small_webp() -> bytes:
    return saved(Image.new("RGBA", (10_000, 10_000)), "WEBP", lossless=True)


def _form(part: bytes, count: int, end: bytes = b"") -> bytes:
    opening = b"--%b\r\n" % _BOUNDARY.encode()
    return (opening + part) * count + end + b"--%b--\r\n" % _BOUNDARY.encode()


_FIELD = b'Content-Disposition: form-data; name="a"\r\n\r\n\r\n'
_FILE = b'Content-Disposition: form-data; name="a"; filename="a"\r\n\r\n'

_PICTURES: dict[str, Callable[[], bytes]] = {
    "JPEG, 2,000 empty scans": lambda: scans(3000, 2000),
    "JPEG, 1,600,000 empty scans": lambda: scans(1000, 1_600_000),
    "JPEG, progressive, 100 MP": lambda: scans(10_000, 0),
    "JPEG, 4,000,000 empty segments": lambda: _jpeg_with(b"\xff\xee\x00\x02" * 4_000_000),
    "JPEG, CMYK, 4,000,000 empty segments": lambda: _jpeg_with(b"\xff\xee\x00\x02" * 4_000_000, "CMYK"),
    "JPEG without its end, 24 MP": lambda: _noise("JPEG", 6000, 4000)[:-400],
    "TIFF, 3,000,000 strips": lambda: _tiff(1, 3_000_000),
    "TIFF, 60,000 strips": lambda: _tiff(1000, 60_000),
    "TIFF, 20,000 fields of 4 MB": lambda: _directory(20_000, 4_000_000),
    "TIFF, LZMA, 100 MP": lambda: saved(Image.new("RGB", (10_000, 10_000)), "TIFF", compression="lzma"),
    "TIFF, 32-bit floats, 100 MP": lambda: saved(Image.new("F", (10_000, 10_000)), "TIFF", compression="tiff_deflate"),
    "WebP of 34 bytes, 100 MP": _small_webp,
    "PNG, RGBA, 100 MP": lambda: png(10_000, 10_000, 6, 4),
    "PNG, RGB, 100 MP": lambda: png(10_000, 10_000, 2, 3),
    "PNG, palette, 100 MP": lambda: png(10_000, 10_000, 3, 1),
    "PNG, 1,200,000 chunks": lambda: _png_with(_chunk(b"abCd", b"") * 1_200_000),
    "PNG, EXIF of 60,000 fields": lambda: _png_with(_chunk(b"eXIf", _directory(60_000, 4_000_000))),
    "GIF, 3,000,000 comments": lambda: _gif_with(b"\x21\xfe\x01a\x00" * 3_000_000),
    "GIF, 98 MP": lambda: saved(Image.new("P", (65_535, 1500)), "GIF"),
    "BMP, 8,000,000 runs": lambda: _bmp_runs(8_000_000),
    "PPM in text, 6,000,000 values": lambda: b"P3 2000 1000 255\n" + b"1 " * 6_000_000,
    "JPEG 2000, 100 MP": lambda: saved(Image.new("RGB", (10_000, 10_000)), "JPEG2000"),
    "JPEG 2000, noise": lambda: _noise("JPEG2000", 3000, 2400),
}

_JSON: dict[str, Callable[[], bytes]] = {
    "8,000,000 empty lists": lambda: b'{"instances": [' + b"[]," * 8_000_000 + b"[]]}",
    "200,000 nested lists": lambda: b"[" * 200_000,
    "base64 with a space after each letter": lambda: b'"' + b"A " * 8_000_000 + b'"',
    "300 WebP of 34 bytes, 100 MP each": lambda: (
        b'{"instances": [' + b",".join([b'{"b64": "%b"}' % base64.b64encode(_small_webp())] * 300) + b"]}"
    ),
}

_FORMS: dict[str, Callable[[], bytes]] = {
    "450,000 fields": lambda: _form(_FIELD, 450_000),
    "one part of 5,000,000 headers": lambda: _form(b"a:\r\n" * 5_000_000 + b"\r\n\r\n", 1),
    "5,000,000 beginnings of a boundary": lambda: _form(_FILE + b"\r\n--" * 5_000_000 + b"\r\n", 1),
}
