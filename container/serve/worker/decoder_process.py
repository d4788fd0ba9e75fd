"""Decodes pictures for a worker in a process of its own, with limits on CPU time and memory.

    python -m container.serve.worker.decoder_process DESCRIPTOR [--stay]

A file of a few bytes may take minutes or gigabytes to decode, or crash the decoder. Whatever happens to this process,
the worker and the other requests go on.

The worker sends, over a socket, an `Order` in JSON and the file. The process answers with the memory that decoding
needs, waits to be told to go on, and answers with an `Outcome` in JSON and the pixels.
"""

import json
import os
import resource
import signal
import sys
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from PIL import AvifImagePlugin, Image

from container.contract.errors import PictureError
from container.picture import exif_turn, open_picture
from container.picture_limits import MAX_PIXELS
from container.preprocessing import Preprocessing
from container.serve.settings.config import MEBIBYTE
from container.serve.worker.cheap_jpeg import MOST_PIXELS
from container.serve.worker.explain import shown_picture
from container.serve.worker.pixels import square

# Other requests come first where CPUs are few.
_NICENESS = 10

_IDLE_S = 60.0

SHORT_OF_MEMORY = 3
"""Exit code."""

_HEADER_BYTES = 48 * MEBIBYTE
"""Memory that reading a picture's header may take."""
_MARGIN_BYTES = 32 * MEBIBYTE

# Measured bytes per pixel, by mode: of the decoded picture, and of the picture while it is converted to RGB.
_MODE_BYTES = {
    "1": (1, 5), "L": (1, 5), "P": (1, 5), "RGB": (4, 4), "I;16": (2, 10), "I;16B": (2, 10), "I": (4, 18), "F": (4, 18),
}  # fmt: skip
_FORMAT_BYTES = {"WEBP": 17, "AVIF": 12, "JPEG2000": 28}
"""Peak bytes per pixel of formats whose libraries take more than that."""

_WEBP = b"WEBP"
_END_OF_JPEG = b"\xff\xd9"
_UNLIMITED = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)

Made = tuple["Outcome", bytes]


@dataclass(frozen=True, kw_only=True)
class Order:
    """What to decode a file into, within which limits."""

    preprocessing: dict[str, Any]
    """The model's, as `Preprocessing.to_json` gives it."""
    max_pixels: int
    seconds: float
    """Limit of CPU time for decoding."""
    most_bytes: int
    """Limit of memory for decoding."""
    shown: int | None = None
    """Longer side of the whole picture, for an explanation; None for the network's input square."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """An order's result; before that, its expected cost."""

    height: int = 0
    width: int = 0
    memory_bytes: int = 0
    """Memory that decoding takes, judging by the file's header."""
    error: str = ""
    """Why the picture cannot be decoded."""


def main() -> None:
    """Serve one worker until it closes the socket or, without `--stay`, after a minute without work."""
    connection = Connection(int(sys.argv[1]))
    os.nice(_NICENESS)
    warnings.simplefilter("ignore")
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # a thread's stack counts as memory
    patience = None if "--stay" in sys.argv else _IDLE_S
    while connection.poll(patience):
        try:
            order, data = Order(**json.loads(connection.recv_bytes())), connection.recv_bytes()
            # No handler: the signal ends the process. A handler's exception would not interrupt a decoder in C.
            signal.setitimer(signal.ITIMER_PROF, order.seconds)
            outcome, _ = _within(_HEADER_BYTES, _measure, order, data)
            connection.send_bytes(json.dumps(asdict(outcome)).encode())
            if outcome.memory_bytes and connection.recv_bytes():
                outcome, pixels = _within(outcome.memory_bytes, _decode, order, data)
                signal.setitimer(signal.ITIMER_PROF, 0)
                connection.send_bytes(json.dumps(asdict(outcome)).encode())
                if outcome.height:
                    connection.send_bytes(pixels)
            signal.setitimer(signal.ITIMER_PROF, 0)
        except (EOFError, BrokenPipeError, ConnectionResetError):
            return
        except MemoryError:
            sys.exit(SHORT_OF_MEMORY)


def _within(memory_bytes: int, make: Callable[[Order, bytes], Made], order: Order, data: bytes) -> Made:
    """Call `make` with a limit of this much memory on top of what the process already holds."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    most = int(status["VmData"].split()[0]) * 1024 + memory_bytes + _MARGIN_BYTES
    error: Exception | None = None
    resource.setrlimit(resource.RLIMIT_DATA, (most, resource.RLIM_INFINITY))
    try:
        return make(order, data)
    except (PictureError, MemoryError) as failure:
        # Handled below, once the limit is lifted.
        error = failure
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, _UNLIMITED)
    if not isinstance(error, MemoryError):
        return Outcome(error=str(error)), b""
    if resource.getrlimit(resource.RLIMIT_AS) != _UNLIMITED:
        sys.exit(SHORT_OF_MEMORY)  # another limit than ours was hit
    return Outcome(error="the picture takes more memory to decode than its header says"), b""


def _measure(order: Order, data: bytes) -> Made:
    if data[8:12] == _WEBP:
        width, height = _webp_size(data)
        needed = width * height * _FORMAT_BYTES["WEBP"]
    else:
        try:
            image = open_picture(data)
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001 - decoding will report what is wrong
            return Outcome(memory_bytes=min(_HEADER_BYTES, order.most_bytes)), b""
        width, height = image.size
        needed = _memory_needed(image, data, whole=order.shown is not None)
    if needed > order.most_bytes:
        raise PictureError(
            f"the picture is {width} x {height} pixels, which take {needed // MEBIBYTE} MiB of memory to "
            f"decode; the limit is {order.most_bytes // MEBIBYTE} MiB, so send a smaller one"
        )
    return Outcome(memory_bytes=needed), b""


def _webp_size(data: bytes) -> tuple[int, int]:
    """Read width and height from the bytes: Pillow would allocate all pixels to open the file.

    Source: RFC 9649, 2.5 to 2.7.
    """
    kind = data[12:16]
    if kind == b"VP8X":
        return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    if kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return int.from_bytes(data[26:28], "little") & 0x3FFF, int.from_bytes(data[28:30], "little") & 0x3FFF


def _memory_needed(image: Image.Image, data: bytes, *, whole: bool) -> int:
    """Estimate the bytes that decoding a picture to RGB takes, `whole` or only as the network's square."""
    pixels = image.width * image.height
    stored, with_rgb = _MODE_BYTES.get(image.mode, (4, 8))
    if image.format in ("JPEG", "MPO"):
        coefficients = 6 * pixels if image.info.get("progressive") else 0
        # JPEGs are decoded at a reduced scale; repairing one without its end marker takes more.
        most, each = (MOST_PIXELS, 8) if data.endswith(_END_OF_JPEG) else (MAX_PIXELS // 4, 11)
        return coefficients + each * min(pixels, most)
    if image.has_transparency_data and not image.mode.startswith(("I", "F")):
        # An RGBA copy, unless it is one, and its composite: strips of it, for the square.
        with_rgb = stored + (image.mode != "RGBA") * 4 + (4 if whole else 1)
    turned = stored if exif_turn(image) is not None else 0
    return pixels * (max(with_rgb, _FORMAT_BYTES.get(str(image.format), 0)) + turned)


def _decode(order: Order, data: bytes) -> Made:
    if order.shown:
        pixels = np.asarray(shown_picture(data, order.shown, order.max_pixels))
    else:
        pixels = square(data, Preprocessing.from_json(order.preprocessing), order.max_pixels)
    height, width, _ = pixels.shape
    return Outcome(height=height, width=width), pixels.tobytes()


if __name__ == "__main__":
    main()
