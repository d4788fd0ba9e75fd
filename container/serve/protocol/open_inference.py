"""The Open Inference Protocol (KServe's version 2), as far as both the front and the workers know it.

Source: specification/protocol/inference_rest.md in kserve/open-inference-protocol, and in docs/protocol of Triton's
server the extensions for binary tensor data and classification.
"""

from dataclasses import dataclass

ROOT, LIVE, READY = "/v2", "/v2/health/live", "/v2/health/ready"

JSON_BYTES_HEADER = "Inference-Header-Content-Length"
"""The length of the JSON at the start of a body, where binary tensors follow it."""

VERSION = "1"
"""The only version of every model."""

EXTENSIONS = ("binary_tensor_data", "classification")


@dataclass(frozen=True, kw_only=True)
class OpenInference:
    """What a request by this protocol has besides its body."""

    model: str
    """Name of the model, as the client called it."""
    metadata: bool = False
    """The model's metadata is asked for, not predictions; the body is unused."""
    json_bytes: int | None = None
    """Value of `JSON_BYTES_HEADER`; None: the body is all JSON."""
