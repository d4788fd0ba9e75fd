"""What the pieces of an OpenAPI document are made of."""

from collections.abc import Iterable, Mapping
from typing import Any

Json = dict[str, Any]

JSON_TYPE = "application/json"

ANY_TIME = (400, 408, 431, 503)
"""What may be answered before it is known what is asked for: it is not HTTP, its headers are slow or too long, or there
are too many connections."""

_WORDS = {
    400: "The request or its body is not what it has to be, or something that was asked for cannot be.",
    404: "There is no such model.",
    406: "No type that Accept allows is offered, or it is one that holds no explanation.",
    408: "Headers or body are too slow, or the body did not arrive before the deadline.",
    409: "A model of this name is loaded already, or being loaded.",
    413: "The body is too large, or holds too many pictures, or the explanations are too many or too large.",
    415: "The type is unknown, the body is compressed as a whole, or the array is not of uint8.",
    422: "A picture cannot be decoded or has too many pixels, or the model to load is damaged.",
    431: "The headers are longer than 64 KiB.",
    500: "A bug, or the model's own code failed; the log says more under the request's id.",
    503: "Too much at once, not ready, stopping, or a worker ended meanwhile; worth another try.",
    504: "Not done before the deadline.",
    507: "Too little memory; unload another model first.",
}


def ref(name: str, kind: str = "schemas") -> Json:
    """What stands elsewhere in the document."""
    return {"$ref": f"#/components/{kind}/{name}"}


def array(items: Json, **more: Any) -> Json:
    """The schema of a list."""
    return {"type": "array", "items": items, **more}


def fields(properties: Mapping[str, Any], *, optional: Iterable[str] = (), **more: Any) -> Json:
    """The schema of an object that has these properties."""
    required = [name for name in properties if name not in set(optional)]
    return {"type": "object", "properties": dict(properties), "required": required, **more}


def json_content(schema: Json) -> Json:
    """The contents of a message that is JSON."""
    return {JSON_TYPE: {"schema": schema}}


def responses(good: str, content: Json, errors: Iterable[int], headers: Mapping[str, Json] | None = None) -> Json:
    """What a route may answer.

    Args:
        good: What 200 means.
        content: Its contents by type; empty where it has none.
        errors: Statuses beside those of `ANY_TIME`; 400 among them where the server itself answers it.
        headers: Of every answer, beside those that all have.
    """
    own = dict(headers or {})
    said: Json = {"200": {"description": good, "headers": {"X-Request-Id": ref("RequestId", "headers"), **own}}}
    if content:
        said["200"]["content"] = content
    asked = set(errors)
    for status in sorted({*asked, *ANY_TIME}):
        again = {"Retry-After": ref("RetryAfter", "headers")} if status == 503 else {}
        kind = "PerhapsRequestId" if status == 400 else "RequestId"
        body = json_content(ref("Error")) if status != 400 or status in asked else {}
        if status == 400:
            body["text/plain"] = {"schema": {"type": "string", "description": "Of what is not HTTP."}}
        said[str(status)] = {
            "description": _WORDS[status],
            "headers": {"X-Request-Id": ref(kind, "headers"), **again, **own},
            "content": body,
        }
    return said
