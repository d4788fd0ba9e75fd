"""What a request is answered with, and how it travels from a worker to the front."""

import json
from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass, replace
from typing import Self

from container.serve.memory_file import Address

# multi-model-server's own answers have another type, and so are told from a worker's.
FRAME_TYPE = "application/x-slipway-reply"


class RequestError(Exception):
    """The request cannot be answered as it is; the message is for whoever sent it.

    Args:
        status: The HTTP status, 4xx or 5xx.
        message: One sentence: what was found, and what would be right.
        retry_after_s: Of a 503, when it is worth another try.
    """

    def __init__(self, status: int, message: str, *, retry_after_s: int = 1) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.retry_after_s = retry_after_s

    def anew(self) -> "RequestError":
        """The same, to be raised where it is a constant: an exception keeps what it was raised through, frames and all,
        and one that is raised again and again keeps ever more."""
        return RequestError(self.status, self.message, retry_after_s=self.retry_after_s)


BUG = RequestError(500, "an error inside the server; its log says more under this request id")
NO_MEMORY = RequestError(503, "there is too little memory free for this request; try again")
TOO_LATE = RequestError(504, "the request was not answered before its deadline; try again later")


@dataclass(frozen=True)
class Work:
    """What a worker did for one request, in seconds; None where it did not come to that, or that is not known."""

    taken: float = 0.0
    """When it began with the batch, by `time.monotonic()`, which all processes of a machine share."""
    decode: float | None = None
    """Of threads that decode; they work side by side, and while others are in the forward pass."""
    forward: float | None = None
    """Of the forward passes that its pictures were in."""
    encode: float | None = None
    pictures: int = 0
    """That went through the model."""


@dataclass(frozen=True, kw_only=True)
class Reply:
    """One answer, and where it was made (for the access log)."""

    status: int
    content_type: str
    body: bytes
    worker: int | None = None
    """Process id of the worker."""
    batch: int | None = None
    """Requests that the worker got together with this one, itself included."""
    work: Work | None = None
    retry_after_s: int = 1
    """Said where the status is 503."""

    @classmethod
    def error(cls, status: int, message: str, request_id: str | None) -> Self:
        """The one form of every error."""
        fields = {"error": {"status": status, "message": message, "request_id": request_id}}
        return cls(status=status, content_type="application/json", body=json.dumps(fields).encode())

    @classmethod
    def failure(cls, error: RequestError, request_id: str | None) -> Self:
        """The reply that an error stands for."""
        return replace(cls.error(error.status, error.message, request_id), retry_after_s=error.retry_after_s)

    def made_by(self, worker: int, batch: int, taken: float) -> Self:
        """The same, with where it was made, and when that was begun with."""
        return replace(self, worker=worker, batch=batch, work=replace(self.work or Work(), taken=taken))

    def pack(self) -> tuple[bytes, Sequence[bytes]]:
        """A part of a bundle: everything but the body, and the body."""
        head = {
            "status": self.status,
            "content_type": self.content_type,
            "worker": self.worker,
            "batch": self.batch,
            "work": self.work and astuple(self.work),
        }
        return json.dumps(head).encode(), (self.body,)

    @classmethod
    def unpack(cls, head: bytes, body: bytes) -> Self:
        """The inverse of `pack`."""
        fields = json.loads(head)
        work = fields.pop("work")
        return cls(body=body, work=Work(*work) if work else None, **fields)


@dataclass(frozen=True, kw_only=True)
class RequestHead:
    """What a worker is told about a request beside its body."""

    request_id: str
    content_type: str | None
    accept: str | None
    deadline: float
    """By `time.monotonic()`, which all processes of a machine share."""
    attributes: str | None = None
    """What `ATTRIBUTES_HEADER` says."""
    probe: bool = False
    """A warm-up by the supervisor; the body is empty."""

    def pack(self, body: Address) -> bytes:
        """A part of the message to a worker, in JSON: this, and where the body is."""
        return json.dumps({"head": asdict(self), "body": body}).encode()

    @classmethod
    def unpack_all(cls, message: bytes | bytearray) -> list[tuple[Self, Address]]:
        """The parts of such a message, which is a list of them."""
        return [(cls(**part["head"]), Address(*part["body"])) for part in json.loads(message)]


ATTRIBUTES_HEADER = "X-Amzn-SageMaker-Custom-Attributes"
"""A client's own words, which SageMaker hands on as they are."""


@dataclass(frozen=True)
class Request:
    """One request as a worker gets it."""

    head: RequestHead
    body: bytes
