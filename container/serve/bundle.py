"""The replies to several requests as one message: what each is in JSON, and its body as it is.

count, then for each: length of the head, length of the body     unsigned 32-bit numbers, the first byte highest
for each: the head, the body
"""

import struct
from collections.abc import Iterable, Sequence

Part = tuple[bytes, Sequence[bytes]]
"""A head, and a body in pieces."""


def pack(parts: Sequence[Part]) -> list[bytes]:
    """The message, in pieces: no body is copied.

    Args:
        parts: Heads of any bytes, and bodies; each shorter than 4 GiB.
    """
    lengths: list[int] = []
    pieces = [b""]
    for head, body in parts:
        lengths += (len(head), sum(map(len, body)))
        pieces.append(head)
        pieces += body
    pieces[0] = struct.pack(f"!I{len(lengths)}I", len(parts), *lengths)
    return pieces


def unpack(message: bytes | bytearray) -> list[tuple[bytes, bytes]]:
    """The inverse of `pack`: heads and bodies.

    Raises:
        ValueError: The bytes are no such message.
    """
    view = memoryview(message)
    try:
        [count] = struct.unpack_from("!I", view)
        lengths = struct.unpack_from(f"!{2 * count}I", view, 4)
    except (struct.error, OverflowError, MemoryError):
        raise ValueError("not a bundle: it is too short") from None
    start = 4 + 8 * count
    if start + sum(lengths) != len(view):
        raise ValueError(f"not a bundle: {len(view)} bytes, of which {start + sum(lengths)} are announced")
    cut = iter(_slices(view, start, lengths))
    return list(zip(cut, cut, strict=True))


def _slices(view: memoryview, start: int, lengths: Iterable[int]) -> Iterable[bytes]:
    for length in lengths:
        yield bytes(view[start : start + length])
        start += length
