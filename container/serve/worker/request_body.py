"""Splits a request's body, by content type, into pictures that are still encoded."""

import base64
import io
import json
import math
import re
import string
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy_format

from container.picture_limits import MAX_SIDE
from container.serve.protocol.accept import is_json_lines, parse_media_type
from container.serve.protocol.explain_request import ExplainRequest
from container.serve.protocol.replies import RequestError
from container.serve.worker.multipart import read_files

Pixels = npt.NDArray[np.uint8]

# Besides image/*. The second is a client's generic type, the third is S3's default, the fourth is curl --data-binary's.
_FILE_TYPES = (
    "application/x-image",
    "application/octet-stream",
    "binary/octet-stream",
    "application/x-www-form-urlencoded",
    "",
)
ARRAY_TYPES = ("application/x-npy", "application/npy")
_ACCEPTED = (
    "image/*, application/x-image, application/octet-stream, application/json, application/jsonlines, "
    "application/x-npy and multipart/form-data"
)

# The header of a plain array takes 128 bytes.
_NPY_HEAD_BYTES = 4096

# JSON brackets and commas; a picture needs only a handful.
_LEAST_JSON_MARKS = 10_000
_JSON_MARKS_PER_PICTURE = 40

_BARE_BASE64 = re.compile(r"\s*(data:[^,;]*(;[^,;]*)*;base64,)?[A-Za-z0-9+/]{16}", re.ASCII)
_BYTES_LITERAL = re.compile(r"\s*b['\"]")
_IS_BYTES_LITERAL = "is a Python bytes literal (b'...') sent as text; send base64.b64encode(data).decode()"
_ADDRESS = re.compile(r"[a-z][a-z0-9]{1,9}://", re.IGNORECASE)
_FROM_URL_SAFE = bytes.maketrans(b"-_", b"+/")
_DATA_URL = re.compile(rb"data:[^,]{0,200};base64,")


@dataclass(frozen=True)
class Pictures:
    """A request's pictures: files, or arrays of pixels of shape (height, width, 3)."""

    items: list[bytes] | list[Pixels]
    many: bool
    """Whether they came as a list, even a list of one."""
    explain: Sequence[ExplainRequest | None] = ()
    """How to explain each picture; empty to explain none."""


def decode(content_type: str | None, body: bytes, max_pictures: int, explain: ExplainRequest | None = None) -> Pictures:
    """Split a request's body into pictures, without decoding any.

    Args:
        content_type: The request's header; None if it has none: the body is then taken as a picture.
        body: The whole body.
        max_pictures: Most pictures in a request.
        explain: How to explain the pictures unless the body says otherwise.

    Raises:
        RequestError: 400, the body does not match its type; 413, too many pictures; 415, the type is unknown or
            the array is not uint8; 422, an array has too long a side.
    """
    kind = parse_media_type(content_type or "").type
    if not body:
        raise RequestError(400, "the request's body is empty; send a picture")
    if kind.startswith("image/") or kind in _FILE_TYPES:
        return _all_explained(Pictures([body], many=False), explain)
    if kind == "application/json" or is_json_lines(kind):
        _check_marks(body, max_pictures)
    if kind == "application/json":
        pictures = _decode_json(body, max_pictures, explain)
    elif is_json_lines(kind):
        pictures = _decode_json_lines(body, max_pictures, explain)
    elif kind in ARRAY_TYPES:
        pictures = _all_explained(_decode_npy(body), explain)
    elif kind == "multipart/form-data":
        files = read_files(content_type or "", body, max_pictures)
        pictures = _all_explained(Pictures(files, many=len(files) > 1), explain)
    else:
        raise RequestError(415, f"the content type {kind[:100]!r} is not known; accepted are {_ACCEPTED}")
    if len(pictures.items) > max_pictures:
        raise RequestError(413, f"the request holds {len(pictures.items)} pictures; at most {max_pictures} are allowed")
    return pictures


def _all_explained(pictures: Pictures, explain: ExplainRequest | None) -> Pictures:
    return replace(pictures, explain=[explain] * len(pictures.items)) if explain else pictures


def _check_marks(body: bytes, max_pictures: int) -> None:
    """Refuse JSON with far more values than pictures need, before parsing makes Python objects of them."""
    most = max(_LEAST_JSON_MARKS, _JSON_MARKS_PER_PICTURE * max_pictures)
    if sum(body.count(mark) for mark in (b"[", b"{", b",", b"\n")) > most:
        raise RequestError(413, f"the JSON holds more than {most:,} values; send pictures only, in base64")


def _decode_json(body: bytes, max_pictures: int, explain: ExplainRequest | None) -> Pictures:
    value = load_json(body, "the body")
    if found := _one_picture(value, "", explain):
        file, explain = found
        return _all_explained(Pictures([file], many=False), explain)
    if isinstance(value, dict) and isinstance(value.get("instances"), list):
        files = _instances(value["instances"], max_pictures)
        explain = _explain(value, "", explain)
        wishes = [
            _explain(instance, f"instances[{number}].", explain) for number, instance in enumerate(value["instances"])
        ]
        return Pictures(files, many=True, explain=wishes if any(wishes) else ())
    raise RequestError(
        400,
        'the JSON holds no picture; send a base64 string, {"image": "<base64>"} '
        'or {"instances": [{"b64": "<base64>"}]}',
    )


def _decode_json_lines(body: bytes, max_pictures: int, explain: ExplainRequest | None) -> Pictures:
    lines = body.rstrip().split(b"\n")
    if len(lines) > max_pictures:
        raise RequestError(413, f"the request holds {len(lines)} lines; at most {max_pictures} pictures are allowed")
    files, wishes = [], []
    for number, line in enumerate(lines, 1):
        found = _one_picture(load_json(line, f"line {number}"), f"line {number}: ", explain)
        if found is None:
            raise RequestError(
                400, f'line {number} holds no picture; each line is a base64 string or {{"image": "<base64>"}}'
            )
        files.append(found[0])
        wishes.append(found[1])
    return Pictures(files, many=True, explain=wishes if any(wishes) else ())


def _one_picture(value: Any, where: str, explain: ExplainRequest | None) -> tuple[bytes, ExplainRequest | None] | None:
    """Read the file in a JSON value and how to explain it; None if the value has another form.

    Args:
        value: The parsed JSON.
        where: Prefix of error messages.
        explain: How to explain the picture unless the value says otherwise.
    """
    if isinstance(value, str) and value.lstrip().startswith('"'):
        # The seed project's client encodes twice: once by json.dumps, once by its serializer.
        value = load_json(value, f"{where}the string")
    if isinstance(value, str):
        return from_base64(value, f"{where}the string"), explain
    for name in ("image", "b64") if isinstance(value, dict) else ():
        if isinstance(value.get(name), str):
            return from_base64(value[name], f"{where}{name}"), _explain(value, where, explain)
    return None


def _explain(fields: Any, where: str, default: ExplainRequest | None) -> ExplainRequest | None:
    if not isinstance(fields, dict) or "explain" not in fields:
        return default
    return ExplainRequest.from_json(fields["explain"], f"{where}explain")


def load_json(text: bytes | str, what: str) -> Any:
    """Parse JSON; `what` names the text in the error.

    Raises:
        RequestError: 400, it is not JSON.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else _json_fault(error)
        start = text[:100] if isinstance(text, str) else text[:100].decode("latin-1")
        hint = "; base64 has to be in quotes" if _BARE_BASE64.match(start) else ""
        if _BYTES_LITERAL.match(start):
            hint = f"; it {_IS_BYTES_LITERAL}"
        raise RequestError(400, f"{what} is not JSON: {reason}{hint}") from error


def _json_fault(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg.removesuffix(' at')} at character {error.pos}"
    return "its characters are not UTF-8" if isinstance(error, UnicodeError) else "a number has too many digits"


def _instances(instances: list[Any], max_pictures: int) -> list[bytes]:
    if not instances:
        raise RequestError(400, "instances is an empty list; send at least one picture")
    if len(instances) > max_pictures:
        raise RequestError(413, f"instances holds {len(instances)} pictures; at most {max_pictures} are allowed")
    files = []
    for number, instance in enumerate(instances):
        text = instance.get("b64") if isinstance(instance, dict) else instance
        if not isinstance(text, str):
            raise RequestError(400, f'instances[{number}] holds no picture; each one is {{"b64": "<base64>"}}')
        files.append(from_base64(text, f"instances[{number}]"))
    return files


def from_base64(text: str, where: str) -> bytes:
    """Decode a file in base64, also URL-safe, without padding or in a data URL; `where` begins the error.

    Raises:
        RequestError: 400, it is not base64, or empty.
    """
    try:
        bare = text.encode("ascii").translate(None, string.whitespace.encode())
        if match := _DATA_URL.match(bare):
            bare = bare[match.end() :]
        # The URL-safe alphabet and missing padding are accepted too.
        bare = bare.translate(_FROM_URL_SAFE).rstrip(b"=")
        data = base64.b64decode(bare + b"=" * (-len(bare) % 4), validate=True)
    except ValueError as error:
        raise RequestError(400, f"{where} {_base64_fault(text.strip())}") from error
    if not data:
        raise RequestError(400, f"{where} is empty; send a picture's file in base64")
    return data


def _base64_fault(text: str) -> str:
    if _BYTES_LITERAL.match(text):
        return _IS_BYTES_LITERAL
    if text.startswith("data:"):
        return "is a data URL that is not in base64; send data:image/jpeg;base64,<base64>, or the base64 alone"
    if _ADDRESS.match(text):
        return "is a URL, which the server does not fetch; send the picture's file in base64"
    return "is not base64 of a picture's file"


def _decode_npy(body: bytes) -> Pictures:
    header = npy_header(body)
    shape = header.shape
    if header.dtype != np.uint8:
        raise RequestError(415, f"the array is of type {header.dtype.str!r}; send uint8 values from 0 to 255")
    if len(shape) not in (3, 4) or shape[-1] != 3 or min(shape) < 1:
        raise RequestError(400, f"the array has shape {shape}; send (height, width, 3) or (pictures, height, width, 3)")
    pixels = npy_array(body, header)
    if max(shape[-3:-1]) > MAX_SIDE:
        raise RequestError(422, f"the array has shape {shape}; at most {MAX_SIDE:,} pixels per side are allowed")
    return Pictures(list(pixels) if pixels.ndim == 4 else [pixels], many=pixels.ndim == 4)


class NpyHeader(NamedTuple):
    """The header of a .npy file."""

    dtype: np.dtype[Any]
    fortran: bool
    shape: tuple[int, ...]
    start: int
    """Offset of the values in the file."""


def npy_array(body: bytes, header: NpyHeader) -> npt.NDArray[Any]:
    """View a .npy file's values as an array, without a copy; its type must hold no Python objects.

    Raises:
        RequestError: 400, the number of values does not match the header.
    """
    dtype, fortran, shape, start = header
    wanted = math.prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or len(body) - start != wanted:
        raise RequestError(
            400, f"the array's shape {shape} needs {wanted} bytes, but {len(body) - start} follow the header"
        )
    return np.frombuffer(body, dtype=dtype, offset=start).reshape(shape, order="F" if fortran else "C")


def npy_header(body: bytes) -> NpyHeader:
    """Read the header of a .npy file, without allocating the array.

    Raises:
        RequestError: 400, the body is not a .npy file, or its header is damaged.
    """
    file = io.BytesIO(body[:_NPY_HEAD_BYTES])
    try:
        version = npy_format.read_magic(file)
    except ValueError as error:
        raise RequestError(400, "the body is not a .npy file; write it with numpy.save") from error
    read = {(1, 0): npy_format.read_array_header_1_0, (2, 0): npy_format.read_array_header_2_0}.get(version)
    try:
        if read is None:
            # Version 3 is for field names, which pixel arrays do not have.
            raise ValueError(version)
        with warnings.catch_warnings(action="ignore"):
            shape, fortran, dtype = read(file, max_header_size=_NPY_HEAD_BYTES)
    except Exception as error:  # a damaged header raises anything
        raise RequestError(
            400, "the .npy header cannot be read; write the body with numpy.save from one plain array"
        ) from error
    return NpyHeader(dtype, fortran, shape, file.tell())
