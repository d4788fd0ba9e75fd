"""The headers that go to the worker, and those that are echoed to the client."""

from container.serve.protocol.open_inference import OpenInference
from container.serve.protocol.replies import ATTRIBUTES_HEADER, RequestError, RequestHead

Headers = dict[bytes, bytes]
"""Headers by lower-case name."""

# SageMaker's limit on custom attributes.
_LONGEST = 1024
_TYPE, _ACCEPT, _ATTRIBUTES = b"content-type", b"accept", ATTRIBUTES_HEADER.lower().encode()
_BOUNDED = ((_TYPE, "Content-Type"), (_ACCEPT, "Accept"), (_ATTRIBUTES, ATTRIBUTES_HEADER))

_NOT_PRINTABLE = bytes({*range(256)} - {*range(0x20, 0x7F)})


def request_head(
    headers: Headers, request_id: str, deadline: float, slice_s: float | None, protocol: OpenInference | None
) -> RequestHead:
    """The head of a request for a worker.

    Raises:
        RequestError: 400, a header is too long; 415, the body is compressed.
    """
    for key, name in _BOUNDED:
        if len(headers.get(key, b"")) > _LONGEST:
            raise RequestError(400, f"the {name} header is longer than {_LONGEST} characters")
    if headers.get(b"content-encoding", b"identity") != b"identity":
        raise RequestError(415, "the body is compressed as a whole (Content-Encoding); send it as it is")
    return RequestHead(
        request_id=request_id,
        content_type=_text(headers.get(_TYPE)),
        accept=_text(headers.get(_ACCEPT)),
        deadline=deadline,
        slice_s=slice_s,
        attributes=_text(headers.get(_ATTRIBUTES)),
        open_inference=protocol,
    )


def echoed(headers: Headers) -> list[tuple[bytes, bytes]]:
    """The custom attributes for the answer: their printable ASCII, and nothing if they are too long."""
    words = headers.get(_ATTRIBUTES)
    if words is None or len(words) > _LONGEST:
        return []
    return [(_ATTRIBUTES, words.translate(None, _NOT_PRINTABLE))]


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("latin-1")
