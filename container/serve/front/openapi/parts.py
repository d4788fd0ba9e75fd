"""Building blocks of an OpenAPI document."""

from collections.abc import Iterable, Mapping
from typing import Any

Json = dict[str, Any]

JSON_TYPE = "application/json"

ANY_TIME = (400, 408, 431, 503)
"""Statuses that do not depend on the route: it is not HTTP, its headers are slow or too long, or there are too many
connections."""

_WORDS = {
    400: "The request or its body is malformed, or asks for something that does not exist.",
    404: "There is no such model.",
    406: "No type that Accept allows is offered, or only one that cannot hold an explanation.",
    408: "Headers or body are too slow, or the body did not arrive before the deadline.",
    409: "A model of this name is loaded already, or being loaded.",
    413: "The body is too large, or holds too many pictures, or the explanations are too many or too large.",
    415: "The type is unknown, the body is compressed as a whole, or the array is not of uint8.",
    422: "A picture cannot be decoded or has too many pixels, or the model to load is damaged.",
    431: "The headers, or the trailers, are longer than 64 KiB.",
    500: "A bug, or the model's own code failed; the log says more under the request's id.",
    503: "Overloaded, not ready, stopping, or the worker ended; try again.",
    504: "Not done before the deadline.",
    507: "Too little memory; unload another model first.",
}


def ref(name: str, kind: str = "schemas") -> Json:
    """A reference to a component of the document."""
    return {"$ref": f"#/components/{kind}/{name}"}


def array(items: Json, **more: Any) -> Json:
    """The schema of a list."""
    return {"type": "array", "items": items, **more}


def fields(properties: Mapping[str, Any], *, optional: Iterable[str] = (), **more: Any) -> Json:
    """The schema of an object with these properties."""
    required = [name for name in properties if name not in set(optional)]
    return {"type": "object", "properties": dict(properties), "required": required, **more}


def json_content(schema: Json) -> Json:
    """The content of a JSON message."""
    return {JSON_TYPE: {"schema": schema}}


def responses(
    good: str,
    content: Json,
    errors: Iterable[int],
    headers: Mapping[str, Json] | None = None,
    error: str = "Error",
) -> Json:
    """The responses of a route.

    Args:
        good: What 200 means.
        content: Its content by type; empty if it has none.
        errors: Statuses in addition to `ANY_TIME`.
        headers: Headers of every answer, in addition to the common ones.
        error: The schema of an error.
    """
    own = dict(headers or {})
    said: Json = {"200": {"description": good, "headers": {"X-Request-Id": ref("RequestId", "headers"), **own}}}
    if content:
        said["200"]["content"] = content
    for status in sorted({*errors, *ANY_TIME}):
        again = {"Retry-After": ref("RetryAfter", "headers")} if status == 503 else {}
        said[str(status)] = {
            "description": _WORDS[status],
            "headers": {"X-Request-Id": ref("RequestId", "headers"), **again, **own},
            "content": json_content(ref(error)),
        }
    return said
