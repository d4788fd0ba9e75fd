"""Reads an inference request of the Open Inference Protocol: its pictures, and the outputs that it asks for."""

import math
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from container.picture_limits import MAX_SIDE
from container.serve.protocol.open_inference import JSON_BYTES_HEADER, OpenInference
from container.serve.protocol.replies import RequestError
from container.serve.worker.open_inference.answer import OpenInferenceAnswer, Output
from container.serve.worker.open_inference.metadata import INPUT, LABEL, PROBABILITIES
from container.serve.worker.request_body import Pictures, Pixels, from_base64, load_json

# More would hold up other requests, and take much more memory parsed than as text.
_MOST_JSON_MARKS = 250_000

_LENGTH = struct.Struct("<I")


def read_request(asked: OpenInference, body: bytes, max_pictures: int) -> tuple[Pictures, OpenInferenceAnswer]:
    """Read a request, without decoding any picture.

    Raises:
        RequestError: 400, the body is not such a request, or asks for what there is not; 413, too many pictures or
            JSON values; 422, the pixels have too long a side.
    """
    fields, binary = _split(body, asked.json_bytes)
    request_id = fields.get("id")
    if not isinstance(request_id, str | None):
        raise RequestError(400, "id is not a string")
    pictures = _pictures(fields.get("inputs"), binary, max_pictures)
    return pictures, OpenInferenceAnswer(asked.model, request_id, _outputs(fields))


def _split(body: bytes, json_bytes: int | None) -> tuple[dict[str, Any], memoryview]:
    """Parse the JSON, and find the binary tensors after it."""
    if json_bytes is not None and json_bytes > len(body):
        raise RequestError(
            400, f"{JSON_BYTES_HEADER} announces {json_bytes} bytes of JSON, but the body has {len(body)}"
        )
    text = body[:json_bytes]
    if sum(text.count(mark) for mark in (b"[", b"{", b",")) > _MOST_JSON_MARKS:
        raise RequestError(
            413, f"the JSON holds more than {_MOST_JSON_MARKS:,} values; send pixels as binary data, or picture files"
        )
    fields = load_json(text, "the body" if json_bytes is None else f"the body's JSON ({json_bytes} bytes)")
    if not isinstance(fields, dict):
        raise RequestError(400, 'the JSON is not an inference request; send an object with "inputs"')
    return fields, memoryview(body)[len(text) :]


def _pictures(inputs: object, binary: memoryview, max_pictures: int) -> Pictures:
    if not (isinstance(inputs, list) and len(inputs) == 1 and isinstance(inputs[0], dict)):
        raise RequestError(400, f"inputs must be a list of one tensor, the input {INPUT!r}")
    [tensor] = inputs
    if tensor.get("name") != INPUT:
        raise RequestError(400, f"there is no input {_short(tensor.get('name'))}; the model's only input is {INPUT!r}")
    datatype, shape = tensor.get("datatype"), tensor.get("shape")
    if datatype not in ("BYTES", "UINT8"):
        raise RequestError(
            400, f"{INPUT!r} is of datatype {_short(datatype)}; send BYTES (picture files) or UINT8 (pixels)"
        )
    if not (isinstance(shape, list) and shape and all(type(side) is int and side > 0 for side in shape)):
        raise RequestError(400, f"the shape of {INPUT!r} is {_short(shape)}; it must be a list of positive integers")
    data = _data(tensor, binary)
    if shape[0] > max_pictures:
        raise RequestError(413, f"the request holds {shape[0]} pictures; at most {max_pictures} are allowed")
    return Pictures(_files(data, shape) if datatype == "BYTES" else _pixels(data, shape), many=True)


def _data(tensor: Mapping[str, Any], binary: memoryview) -> list[Any] | memoryview:
    """Find the input's data: a list in the JSON, or the bytes after it."""
    parameters = _parameters(tensor, INPUT)
    size, data = parameters.get("binary_data_size"), tensor.get("data")
    if size is None:
        if not isinstance(data, list):
            raise RequestError(400, f"{INPUT!r} has neither a list as data nor the parameter binary_data_size")
        size = 0
    elif data is not None:
        raise RequestError(400, f"{INPUT!r} has both data and the parameter binary_data_size; send one of them")
    if type(size) is not int or size != len(binary):
        raise RequestError(
            400, f"{INPUT!r} announces {_short(size)} bytes of binary data, but {len(binary)} follow the JSON"
        )
    return binary if data is None else data


def _files(data: list[Any] | memoryview, shape: Sequence[int]) -> list[bytes]:
    if len(shape) > 2 or shape[1:] not in ([], [1]):
        raise RequestError(400, f"the shape of {INPUT!r} is {_short(shape)}; as BYTES, it must be [pictures]")
    if isinstance(data, memoryview):
        return _elements(data, shape[0])
    if len(data) != shape[0]:
        raise _misfit(shape, f"{shape[0]} strings", len(data))
    files = []
    for number, value in enumerate(data):
        [text] = value if isinstance(value, list) and len(value) == len(shape) - 1 else [value]
        if not isinstance(text, str):
            raise RequestError(400, f"element {number} of {INPUT!r} is not a string; send the picture's file in base64")
        files.append(from_base64(text, f"element {number} of {INPUT!r}"))
    return files


def _elements(data: memoryview, count: int) -> list[bytes]:
    """Cut binary data into elements, each of which its length precedes."""
    files: list[bytes] = []
    start = 0
    for number in range(count):
        if len(data) - start < _LENGTH.size:
            raise RequestError(400, f"the binary data of {INPUT!r} ends before element {number} of {count}")
        [length] = _LENGTH.unpack_from(data, start)
        start += _LENGTH.size
        if length > len(data) - start:
            raise RequestError(
                400, f"element {number} of {INPUT!r} announces {length} bytes, but {len(data) - start} follow"
            )
        files.append(bytes(data[start : start + length]))
        start += length
    if start != len(data):
        raise RequestError(400, f"{len(data) - start} bytes follow the last of the {count} elements of {INPUT!r}")
    return files


def _pixels(data: list[Any] | memoryview, shape: Sequence[int]) -> list[Pixels]:
    if len(shape) != 4 or shape[3] != 3:
        raise RequestError(
            400, f"the shape of {INPUT!r} is {_short(shape)}; as UINT8, it must be [pictures, height, width, 3]"
        )
    values = data if isinstance(data, memoryview) else _as_bytes(data, shape)
    if len(values) != math.prod(shape):
        raise _misfit(shape, f"{math.prod(shape)} bytes", len(values))
    if max(shape[1:3]) > MAX_SIDE:
        raise RequestError(
            422, f"{INPUT!r} has shape {_short(shape)}; at most {MAX_SIDE:,} pixels per side are allowed"
        )
    return list(np.frombuffer(values, np.uint8).reshape(shape))


def _as_bytes(data: list[Any], shape: Sequence[int]) -> bytes:
    """Make bytes of JSON's numbers, which are one list, or nested as the shape says."""
    nested = len(shape) > 1 and bool(data) and isinstance(data[0], list)
    wanted = shape[0] if nested else math.prod(shape)
    if len(data) != wanted:
        raise _misfit(shape, f"{wanted} values", len(data))
    if nested and all(isinstance(row, list) for row in data):
        return b"".join(_as_bytes(row, shape[1:]) for row in data)
    try:
        return bytes(data)
    except (TypeError, ValueError, OverflowError):
        raise RequestError(400, f"the data of {INPUT!r} must be whole numbers from 0 to 255, as UINT8 says") from None


def _outputs(fields: Mapping[str, Any]) -> tuple[Output, ...]:
    binary = _flag(_parameters(fields, "the request"), "binary_data_output", default=False)
    wanted = fields.get("outputs") or [{"name": PROBABILITIES}, {"name": LABEL}]
    if not (isinstance(wanted, list) and all(isinstance(output, dict) for output in wanted)):
        raise RequestError(400, 'outputs must be a list of objects, as in [{"name": "probabilities"}]')
    outputs = [_output(output, binary=binary) for output in wanted]
    if len({output.name for output in outputs}) < len(outputs):
        raise RequestError(400, "outputs names an output twice")
    return tuple(outputs)


def _output(fields: Mapping[str, Any], *, binary: bool) -> Output:
    name = fields.get("name")
    if name not in (PROBABILITIES, LABEL):
        raise RequestError(400, f"there is no output {_short(name)}; the outputs are {PROBABILITIES!r} and {LABEL!r}")
    parameters = _parameters(fields, name)
    count = parameters.get("classification", 0)
    if type(count) is not int or count < 0 or (count and name == LABEL):
        raise RequestError(400, f"classification must be a number of classes, and is for {PROBABILITIES!r} only")
    return Output(name, _flag(parameters, "binary_data", default=binary), count)


def _parameters(fields: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    parameters = fields.get("parameters") or {}
    if not isinstance(parameters, dict):
        raise RequestError(400, f"the parameters of {where} must be an object")
    if "shared_memory_region" in parameters:
        raise RequestError(400, f"the data of {where} cannot be in shared memory; it goes through the bodies only")
    return parameters


def _flag(parameters: Mapping[str, Any], name: str, *, default: bool) -> bool:
    value = parameters.get(name, default)
    if not isinstance(value, bool):
        raise RequestError(400, f"the parameter {name} is {_short(value)}; it must be true or false")
    return value


def _misfit(shape: Sequence[int], wanted: str, found: int) -> RequestError:
    return RequestError(400, f"the shape {_short(shape)} needs {wanted} in the data of {INPUT!r}, which has {found}")


def _short(value: object) -> str:
    """Show a client's value, shortened where it is long."""
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:100]}…"
