"""From a request's body to pictures that are still encoded: which type holds what, and what is refused."""

import base64
import binascii
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from container.serve.accept import parse_media_type
from container.serve.explain_request import ExplainRequest
from container.serve.multipart import read_files
from container.serve.replies import RequestError

Pixels = npt.NDArray[np.uint8]

# Beside image/*; a client that knows nothing better sends the second, curl --data-binary the third.
_FILE_TYPES = ("application/x-image", "application/octet-stream", "application/x-www-form-urlencoded", "")
_ARRAY_TYPES = ("application/x-npy", "application/npy")
_ACCEPTED = (
    "image/*, application/x-image, application/octet-stream, application/json, application/x-npy and "
    "multipart/form-data"
)

_NPY_MAGIC = b"\x93NUMPY"
_BARE_BASE64 = re.compile(r"\s*(data:[^,;]*(;[^,;]*)*;base64,)?[A-Za-z0-9+/]{16}", re.ASCII)
_DATA_URL = re.compile(r"data:[^,;]*(;[^,;]*)*;base64,", re.ASCII)


@dataclass(frozen=True)
class Pictures:
    """What a request holds: files of pictures, or arrays of pixels of shape (height, width, 3)."""

    items: list[bytes] | list[Pixels]
    many: bool
    """Whether they came as a list, even a list of one."""
    explain: Sequence[ExplainRequest | None] = ()
    """Which of them are to be explained, and how; empty: none."""


def decode(content_type: str | None, body: bytes, max_pictures: int, explain: ExplainRequest | None = None) -> Pictures:
    """Take a request's body apart. No picture is decoded here, and nothing is allocated for one.

    Args:
        content_type: The header as it came; None where there was none: the body is then tried as a picture.
        body: All of it.
        max_pictures: How many a request may hold.
        explain: What is to be explained where the body says nothing of that.

    Raises:
        RequestError: 400, the body is not what its type says; 413, too many pictures; 415, the type is unknown or
            the array is not of uint8.
    """
    kind = parse_media_type(content_type or "").type
    if not body:
        raise RequestError(400, "the request's body is empty; send a picture")
    if kind.startswith("image/") or kind in _FILE_TYPES:
        return _all_explained(Pictures([body], many=False), explain)
    if kind == "application/json":
        pictures = _decode_json(body, max_pictures, explain)
    elif kind in _ARRAY_TYPES:
        pictures = _all_explained(_decode_npy(body), explain)
    elif kind == "multipart/form-data":
        files = read_files(content_type or "", body)
        pictures = _all_explained(Pictures(files, many=len(files) > 1), explain)
    else:
        raise RequestError(415, f"the content type {kind[:100]!r} is not known; accepted are {_ACCEPTED}")
    if len(pictures.items) > max_pictures:
        raise RequestError(413, f"the request holds {len(pictures.items)} pictures; at most {max_pictures} are taken")
    return pictures


def _all_explained(pictures: Pictures, explain: ExplainRequest | None) -> Pictures:
    return replace(pictures, explain=[explain] * len(pictures.items)) if explain else pictures


def _decode_json(body: bytes, max_pictures: int, explain: ExplainRequest | None) -> Pictures:
    value = _load_json(body)
    if isinstance(value, str) and value.lstrip().startswith('"'):
        # The seed project's client encodes twice: its serializer, and json.dumps before it.
        value = _load_json(value)
    if isinstance(value, str):
        return _all_explained(Pictures([_from_base64(value, "the string")], many=False), explain)
    if isinstance(value, dict) and isinstance(value.get("image"), str):
        pictures = Pictures([_from_base64(value["image"], "image")], many=False)
        return _all_explained(pictures, _explain(value, "", explain))
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


def _explain(fields: Any, where: str, default: ExplainRequest | None) -> ExplainRequest | None:
    if not isinstance(fields, dict) or "explain" not in fields:
        return default
    return ExplainRequest.from_json(fields["explain"], f"{where}explain")


def _load_json(text: bytes | str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else _json_fault(error)
        start = text[:100] if isinstance(text, str) else text[:100].decode("latin-1")
        hint = "; base64 has to be in quotes" if _BARE_BASE64.match(start) else ""
        raise RequestError(400, f"the body is not JSON: {reason}{hint}") from error


def _json_fault(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg.removesuffix(' at')} at character {error.pos}"
    return "its characters are not UTF-8" if isinstance(error, UnicodeError) else "a number has too many digits"


def _instances(instances: list[Any], max_pictures: int) -> list[bytes]:
    if not instances:
        raise RequestError(400, "instances is an empty list; send at least one picture")
    if len(instances) > max_pictures:
        raise RequestError(413, f"instances holds {len(instances)} pictures; at most {max_pictures} are taken")
    files = []
    for number, instance in enumerate(instances):
        text = instance.get("b64") if isinstance(instance, dict) else instance
        if not isinstance(text, str):
            raise RequestError(400, f'instances[{number}] holds no picture; each one is {{"b64": "<base64>"}}')
        files.append(_from_base64(text, f"instances[{number}]"))
    return files


def _from_base64(text: str, where: str) -> bytes:
    if match := _DATA_URL.match(text):
        text = text[match.end() :]
    try:
        data = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise RequestError(400, f"{where} is not base64 of a picture's file") from error
    if not data:
        raise RequestError(400, f"{where} is empty; send a picture's file in base64")
    return data


def _decode_npy(body: bytes) -> Pictures:
    dtype, fortran, shape, start = _npy_header(body)
    if dtype.lstrip("|<>=") not in ("u1", "B"):
        raise RequestError(415, f"the array is of type {dtype!r}; send uint8 values from 0 to 255")
    if len(shape) not in (3, 4) or shape[-1] != 3 or 0 in shape:
        raise RequestError(400, f"the array has shape {shape}; send (height, width, 3) or (pictures, height, width, 3)")
    wanted = 1
    for side in shape:
        wanted *= side
    if len(body) - start != wanted:
        raise RequestError(
            400, f"the array's shape {shape} stands for {wanted} bytes, but {len(body) - start} follow the header"
        )
    flat = np.frombuffer(body, dtype=np.uint8, offset=start)
    pixels = flat.reshape(shape, order="F" if fortran else "C")
    return Pictures(list(pixels) if pixels.ndim == 4 else [pixels], many=pixels.ndim == 4)


def _npy_header(body: bytes) -> tuple[str, bool, tuple[int, ...], int]:
    """Data type, order, shape, and where the data starts (the format's description is NumPy's NEP 1).

    Read by hand because NumPy's reader evaluates the header as Python, and allocates by it.
    """
    length_bytes = {1: 2, 2: 4, 3: 4}.get(body[6] if len(body) > 6 else 0)
    if not body.startswith(_NPY_MAGIC) or length_bytes is None:
        raise RequestError(400, "the body is not a .npy file; make it with numpy.save")
    start = 8 + length_bytes
    end = start + int.from_bytes(body[8:start], "little")
    header = body[start:end].decode("latin-1") if end - start <= 4096 else ""
    dtype = re.search(r"'descr':\s*'([^']*)'", header)
    order = re.search(r"'fortran_order':\s*(True|False)", header)
    shape = re.search(r"'shape':\s*\(([0-9,\s]{0,200})\)", header)
    if not (dtype and order and shape) or end > len(body):
        raise RequestError(400, "the .npy header cannot be read; make the body with numpy.save from one plain array")
    sides = tuple(int(side) for side in shape[1].split(",") if side.strip())
    return dtype[1], order[1] == "True", sides, end
