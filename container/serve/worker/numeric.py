"""Reads bodies of numbers (JSON arrays, CSV, .npy files), for the network of a user's own model_fn.

The results equal those of the stock containers' default input_fn. sagemaker-inference's own decoder is not used: it
loads pickles from .npy files, reads a gap in CSV as 0, and cannot mix whole and decimal numbers.
"""

import io
import re
from typing import Any

import numpy as np
import numpy.typing as npt

from container.serve.protocol.accept import CSV, JSON, parse_media_type
from container.serve.protocol.replies import RequestError
from container.serve.worker.request_body import ARRAY_TYPES, load_json, npy_array, npy_header

Numbers = npt.NDArray[Any]

_JSON_NUMBERS = re.compile(rb"\s*[\[\d-]")
"""The start of an array or a number; pictures in JSON are strings and objects."""

# The types that torch.from_numpy accepts.
_NPY_DTYPES = [
    np.dtype(name)
    for name in (
        "bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "float16", "float32",
        "float64", "complex64", "complex128",
    )
]  # fmt: skip


def read_numbers(content_type: str | None, body: bytes) -> Numbers | None:
    """Read the array in a body; None if the body does not hold numbers.

    JSON and CSV become float32; .npy files keep their type. A single line of CSV has one dimension.

    Raises:
        RequestError: 400, the body does not match its type; 415, a .npy file does not hold numbers.
    """
    kind = parse_media_type(content_type or "").type
    # Any dtype and shape, uint8 pixels too: the stock containers pass such an array to the network unchanged, and the
    # meaning of a body should not depend on its values' type.
    if kind in ARRAY_TYPES:
        return _from_npy(body)
    if kind == CSV:
        return _from_csv(body)
    if kind == JSON and _JSON_NUMBERS.match(body):
        return _from_json(body)
    return None


def _from_npy(body: bytes) -> Numbers:
    header = npy_header(body)
    native = header.dtype.newbyteorder("=")
    if native not in _NPY_DTYPES:
        raise RequestError(415, f"the array is of type {header.dtype.str!r}; send numbers")
    # A copy, because torch has no read-only tensors.
    return npy_array(body, header).astype(native, order="C")


def _from_csv(body: bytes) -> Numbers:
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise RequestError(400, "the body is not UTF-8") from error
    if not text.strip():
        raise RequestError(400, "the request's body is empty; send lines of numbers")
    try:
        return np.loadtxt(io.StringIO(text), dtype=np.float32, delimiter=",", comments=None)
    except ValueError as error:
        raise RequestError(
            400, "the body is not CSV of numbers; send lines of equally many comma-separated numbers, without a header"
        ) from error


def _from_json(body: bytes) -> Numbers:
    value = load_json(body, "the body")
    try:
        array = np.array(value)
    except ValueError as error:
        raise RequestError(
            400, "the JSON array is ragged or nested too deeply; send lists of equally many numbers"
        ) from error
    if array.dtype.kind not in "biuf":
        raise RequestError(400, "the JSON array holds other values than numbers, or too large ones; send numbers")
    with np.errstate(over="ignore"):
        return array.astype(np.float32)
