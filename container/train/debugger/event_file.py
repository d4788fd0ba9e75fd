"""smdebug's event files: TFRecords, each a protobuf Event with one tensor.

The few fields are encoded here: protobuf would copy every tensor twice. Source of the field numbers: the descriptors in
smdebug 1.0.34's `core/tfevent/proto`, which are TensorFlow's except that `SummaryMetadata.plugin_data` is repeated.
"""

import struct
import time
from typing import BinaryIO

import numpy as np

_TYPES = {
    "float32": 1,
    "float64": 2,
    "int32": 3,
    "uint8": 4,
    "int16": 5,
    "int8": 6,
    "complex64": 8,
    "int64": 9,
    "bool": 10,
    "uint16": 17,
    "complex128": 18,
    "float16": 19,
    "uint32": 22,
    "uint64": 23,
}
_VARINT, _DOUBLE, _BYTES = 0, 1, 2

# For a megabyte at once Linux looks for contiguous pages, which can take longer than the copying.
_AT_ONCE = 2**18


def _crc_table() -> list[int]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


_TABLE = _crc_table()


def _masked_crc(data: bytes) -> bytes:
    """Return the CRC-32C, rotated and offset as in TFRecord."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


# smdebug checks the content's checksum against that of these bytes, whatever the content is.
_FOOTER = _masked_crc(b"0x12345678")


def write_tensor(
    file: BinaryIO, name: str, value: np.ndarray, *, step: int, mode: int, mode_step: int
) -> tuple[int, int]:
    """Append one tensor.

    Args:
        file: The file, at its end.
        name: The tensor's name.
        value: The values, C-contiguous.
        step: The step, counted over all modes.
        mode: The value of a ModeKeys.
        mode_step: The step, counted within its mode.

    Returns:
        The offset of the record and its length, in bytes.
    """
    start = file.tell()
    content = value.reshape(-1).view(np.uint8).data
    dimensions = b"".join(_field(2, _number(1, size) + _field(2, f"{name}_{size}".encode())) for size in value.shape)
    tensor = _number(1, _TYPES[value.dtype.name]) + _field(2, dimensions)
    plugins = _plugin("mode_step", mode_step) + _plugin("mode", mode)
    # The content comes last in each of the nested messages, so that it need not be copied into them.
    parts = [tensor + _header(4, len(content))]
    parts.append(_field(1, name.encode()) + _field(9, plugins) + _header(8, len(parts[0]) + len(content)))
    parts.append(_header(1, sum(map(len, parts)) + len(content)))
    event = struct.pack("<Bd", 1 << 3 | _DOUBLE, time.time()) + _number(2, step)
    parts.append(event + _header(5, sum(map(len, parts)) + len(content)))
    length = sum(map(len, parts)) + len(content)
    size = struct.pack("<Q", length)
    file.write(size + _masked_crc(size) + b"".join(reversed(parts)))
    for begin in range(0, len(content), _AT_ONCE):
        file.write(content[begin : begin + _AT_ONCE])
    file.write(_FOOTER)
    return start, 8 + 4 + length + len(_FOOTER)


def _varint(value: int) -> bytes:
    value &= 0xFFFFFFFFFFFFFFFF  # negative numbers are ten bytes
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3 | _VARINT) + _varint(value)


def _header(field: int, length: int) -> bytes:
    return _varint(field << 3 | _BYTES) + _varint(length)


def _field(field: int, content: bytes) -> bytes:
    return _header(field, len(content)) + content


def _plugin(name: str, value: int) -> bytes:
    return _field(1, _field(1, name.encode()) + _field(2, str(value).encode()))
