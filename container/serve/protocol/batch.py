"""The replies to a batch of requests as one message: each has a head in JSON, and a body of any bytes.

The message is the number of replies, then for each the length of its head and of its body (unsigned 32-bit numbers, big
endian), then for each its head and its body.
"""

import struct
from collections.abc import Iterable, Sequence

Part = tuple[bytes, Sequence[bytes]]
"""A head, and a body in pieces."""


def pack_batch(parts: Sequence[Part]) -> list[bytes]:
    """Make the message, in pieces, so that no body is copied.

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


def unpack_batch(message: bytes | bytearray) -> list[tuple[bytes, bytes]]:
    """The inverse of `pack_batch`: heads and bodies.

    Raises:
        ValueError: The bytes are not such a message.
    """
    view = memoryview(message)
    try:
        [count] = struct.unpack_from("!I", view)
        lengths = struct.unpack_from(f"!{2 * count}I", view, 4)
    except (struct.error, OverflowError, MemoryError):
        raise ValueError("not a batch: it is too short") from None
    start = 4 + 8 * count
    if start + sum(lengths) != len(view):
        raise ValueError(f"not a batch: {len(view)} bytes, of which {start + sum(lengths)} are announced")
    cut = iter(_slices(view, start, lengths))
    return list(zip(cut, cut, strict=True))


def _slices(view: memoryview, start: int, lengths: Iterable[int]) -> Iterable[bytes]:
    for length in lengths:
        yield bytes(view[start : start + length])
        start += length
