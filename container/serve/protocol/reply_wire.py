"""Encoding a batch of replies for multi-model-server so that it is never misread.

Its ModelResponseDecoder is called again whenever more bytes of a reply have arrived. It starts over when a length or
a string is incomplete, but reads the four bytes of a status, and the whole map of headers, without checking that they
have arrived: a reply that is cut there throws, the connection to the worker is closed, and every request in the batch
is lost. Reads end at multiples of 16 bytes (Netty's AdaptiveRecvByteBufAllocator hands out no other buffer sizes), so
spaces after the content type, which HTTP ignores, keep the status clear of those, and the map is left empty.
"""

import struct
from collections.abc import Sequence

from container.serve.protocol.replies import FRAME_TYPE

_GRID = 16
_STATUS_BYTES = 4
_OK = 200
_NO_MORE = struct.pack("!i", -1)


def encode_batch(frames: Sequence[bytes], request_ids: Sequence[str]) -> bytearray:
    """Encode a worker's answer to a batch.

    Args:
        frames: A packed batch of replies for each of multi-model-server's requests.
        request_ids: multi-model-server's own ids, in the same order.

    Returns:
        The message in multi-model-server's format (mms/protocol/otf_message_handler.py).
    """
    message = bytearray(struct.pack("!i", _OK) + _text(""))
    for frame, request_id in zip(frames, request_ids, strict=True):
        message += _text(request_id)
        message += _text(FRAME_TYPE + " " * _padding(len(message) + 4 + len(FRAME_TYPE)))
        # Status, reason phrase, number of headers, length of the body.
        message += struct.pack("!iiii", _OK, 0, 0, len(frame))
        message += frame
    return message + _NO_MORE


def _padding(offset: int) -> int:
    """Bytes to add before a status at `offset` so that no read can end before or inside it."""
    place = offset % _GRID
    return 0 if 1 <= place <= _GRID - _STATUS_BYTES else _GRID + 1 - place if place else 1


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack("!i", len(data)) + data
