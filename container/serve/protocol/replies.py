"""Requests and replies, and their form between the front and the workers."""

import json
from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass, replace
from typing import Any, Self

from container.serve.protocol.memory_file import Address
from container.serve.protocol.open_inference import OpenInference

# Distinguishes a worker's answers from multi-model-server's own.
FRAME_TYPE = "application/x-slipway-reply"


class RequestError(Exception):
    """The request cannot be answered; the message is for the client.

    Args:
        status: The HTTP status, 4xx or 5xx.
        message: One sentence: what was found, and what would be right.
        retry_after_s: With a 503, seconds after which another try is worthwhile.
    """

    def __init__(self, status: int, message: str, *, retry_after_s: int = 1) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.retry_after_s = retry_after_s

    def anew(self) -> "RequestError":
        """A copy, for raising a constant: an exception that is raised repeatedly would accumulate tracebacks."""
        return RequestError(self.status, self.message, retry_after_s=self.retry_after_s)


class FullError(RequestError):
    """A 507: unloading another model would make room."""


BUG = RequestError(500, "an error inside the server; its log says more under this request id")
NO_MEMORY = RequestError(503, "there is too little memory free for this request; try again")
TOO_LATE = RequestError(504, "the request was not answered before its deadline; try again later")


@dataclass(frozen=True)
class Work:
    """Seconds that a worker spent on one request; None for what was not reached, or is not known."""

    taken: float = 0.0
    """When the worker began with the batch, by `time.monotonic()`, which all processes of a machine share."""
    decode: float | None = None
    """Summed over decoding threads, which run in parallel, also during the forward pass of others."""
    forward: float | None = None
    """The forward passes that included its pictures."""
    encode: float | None = None
    pictures: int = 0
    """Pictures that went through the model."""


@dataclass(frozen=True, kw_only=True)
class Reply:
    """One answer, with the worker that made it."""

    status: int
    content_type: str
    body: bytes
    worker: int | None = None
    """Process id of the worker."""
    batch: int | None = None
    """Requests in its batch, itself included."""
    work: Work | None = None
    retry_after_s: int = 1
    """Seconds in the Retry-After header of a 503."""
    json_bytes: int | None = None
    """Length of the JSON at the start of the body, where binary tensors follow it."""

    @classmethod
    def error(cls, status: int, message: str, request_id: str | None) -> Self:
        """An error, in the form that all have."""
        fields = {"error": {"status": status, "message": message, "request_id": request_id}}
        return cls(status=status, content_type="application/json", body=json.dumps(fields).encode())

    @classmethod
    def failure(cls, error: RequestError, request_id: str | None) -> Self:
        """The reply for an exception."""
        return replace(cls.error(error.status, error.message, request_id), retry_after_s=error.retry_after_s)

    def made_by(self, worker: int, batch: int, taken: float) -> Self:
        """A copy, with the worker that made it, its batch, and when that was begun."""
        work = self.work or Work()
        return replace(self, worker=worker, batch=batch, work=replace(work, taken=work.taken or taken))

    def pack(self) -> tuple[bytes, Sequence[bytes]]:
        """A part of a batch: the head, which is everything but the body, and the body."""
        head = {
            "status": self.status,
            "content_type": self.content_type,
            "worker": self.worker,
            "batch": self.batch,
            "work": self.work and astuple(self.work),
            "json_bytes": self.json_bytes,
        }
        return json.dumps(head).encode(), (self.body,)

    @classmethod
    def unpack(cls, head: bytes, body: bytes) -> Self:
        """The inverse of `pack`."""
        fields = json.loads(head)
        work = fields.pop("work")
        return cls(body=body, work=Work(*work) if work else None, **fields)


PENDING = Reply(status=102, content_type="", body=b"")
"""From a worker to the front only: the request took longer than its slice, and is to be sent again."""


@dataclass(frozen=True, kw_only=True)
class RequestHead:
    """A request without its body, for a worker."""

    request_id: str
    content_type: str | None
    accept: str | None
    deadline: float
    """Seconds of `time.monotonic()`, which all processes of a machine share."""
    attributes: str | None = None
    """Value of `ATTRIBUTES_HEADER`."""
    slice_s: float | None = None
    """Seconds after which a worker lets other requests pass; None: not before it is done."""
    probe: bool = False
    """A warm-up by the supervisor; the body is empty."""
    open_inference: OpenInference | None = None
    """With a request by the Open Inference Protocol, to which the headers above do not apply."""

    def pack(self, body: Address) -> bytes:
        """A part of the message to a worker, in JSON: the head, and the address of the body."""
        return json.dumps({"head": asdict(self), "body": body}).encode()

    @classmethod
    def unpack_all(cls, message: bytes | bytearray) -> list[tuple[Self, Address]]:
        """Parse a message to a worker, which is a list of such parts."""
        return [(cls._from_json(part["head"]), Address(*part["body"])) for part in json.loads(message)]

    @classmethod
    def _from_json(cls, fields: dict[str, Any]) -> Self:
        asked = fields.pop("open_inference")
        return cls(**fields, open_inference=asked and OpenInference(**asked))


ATTRIBUTES_HEADER = "X-Amzn-SageMaker-Custom-Attributes"
"""Custom attributes of the client, which SageMaker passes on unchanged."""


@dataclass(frozen=True)
class Request:
    """A request as a worker gets it."""

    head: RequestHead
    body: bytes
