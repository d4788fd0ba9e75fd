"""Encodes an answer of the Open Inference Protocol: the outputs that were asked for, in JSON or as binary data."""

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from container.serve.protocol.accept import JSON
from container.serve.protocol.open_inference import VERSION
from container.serve.protocol.replies import Reply
from container.serve.worker.open_inference.metadata import PROBABILITIES, tensor
from container.serve.worker.response_body import Probabilities, top_k


@dataclass(frozen=True)
class Output:
    """An output that a request asks for."""

    name: str
    binary: bool
    """Whether the values follow the JSON as binary data, rather than stand in it."""
    classification: int
    """With `PROBABILITIES`: give this many classes as texts, the most probable first; 0 gives the numbers."""


@dataclass(frozen=True)
class OpenInferenceAnswer:
    """The answer to a request, before its probabilities are known."""

    model: str
    """Name of the model, as the client called it."""
    id: str | None
    outputs: Sequence[Output]

    def encode(self, probabilities: Probabilities, classes: Sequence[str]) -> Reply:
        """Encode the outputs; `probabilities` has shape (pictures, classes)."""
        tensors: list[dict[str, Any]] = []
        pieces = [b""]
        for output in self.outputs:
            described, data, raw = _encode(output, probabilities, classes)
            if output.binary:
                described["parameters"] = {"binary_data_size": len(raw)}
                pieces.append(raw)
            else:
                described["data"] = data
            tensors.append(described)
        about = {"model_name": self.model, "model_version": VERSION} | ({} if self.id is None else {"id": self.id})
        text = json.dumps({**about, "outputs": tensors}, ensure_ascii=False, allow_nan=False).encode()
        if len(pieces) == 1:
            return Reply(status=200, content_type=JSON, body=text)
        body = b"".join([text, *pieces])
        return Reply(status=200, content_type="application/octet-stream", body=body, json_bytes=len(text))


def _encode(
    output: Output, probabilities: Probabilities, classes: Sequence[str]
) -> tuple[dict[str, Any], list[Any], bytes]:
    """Describe an output; give its data as a flat list and as bytes."""
    count = len(probabilities)
    if output.name == PROBABILITIES and not output.classification:
        # str() of a float32 is the shortest decimal that reads back as the same float32.
        numbers = [float(str(value)) for value in probabilities.ravel()]
        return tensor(output.name, "FP32", *probabilities.shape), numbers, probabilities.astype("<f4").tobytes()
    rows = top_k(probabilities, classes, output.classification or 1)
    if output.classification:
        texts = [f"{each['probability']:f}:{each['index']}:{each['label']}" for row in rows for each in row]
        described = tensor(output.name, "BYTES", count, len(rows[0]))
    else:
        texts = [row[0]["label"] for row in rows]
        described = tensor(output.name, "BYTES", count)
    encoded = [text.encode() for text in texts]
    return described, texts, b"".join(struct.pack("<I", len(text)) + text for text in encoded)
