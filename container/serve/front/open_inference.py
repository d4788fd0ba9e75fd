"""The routes of the Open Inference Protocol (KServe's version 2), and their answers as far as they need no model."""

import json
import re
from collections.abc import Mapping
from dataclasses import replace

from container.serve.front.headers import Headers
from container.serve.front.receive import Scope
from container.serve.front.routes import MethodError, Route, Verb, read_name
from container.serve.protocol.open_inference import (
    EXTENSIONS,
    JSON_BYTES_HEADER,
    LIVE,
    READY,
    ROOT,
    VERSION,
    OpenInference,
)
from container.serve.protocol.replies import Reply, RequestError
from container.serve.protocol.state import FIXED_MODEL
from container.serve.settings.config import ServeConfig

_OF_MODEL = re.compile(r"/v2/models/(?P<name>[^/]+)(/versions/(?P<version>[^/]+))?(/(?P<verb>ready|infer))?")

_JSON_BYTES = JSON_BYTES_HEADER.lower().encode()
# Far more than a body may have.
_MOST_DIGITS = 18

_VERBS: Mapping[str | None, Verb] = {None: "metadata", "ready": "ready", "infer": "infer"}


def _json(fields: object) -> Reply:
    return Reply(status=200, content_type="application/json", body=json.dumps(fields).encode())


PROBES = {LIVE: _json({"live": True}), READY: _json({"ready": True})}
"""The answers to the server's two probes where all is well, by path."""

SERVER = _json({"name": "slipway", "version": VERSION, "extensions": EXTENSIONS})
"""The description of the server."""


def is_path(path: str) -> bool:
    """Whether a path belongs to the protocol."""
    return path == ROOT or path.startswith(f"{ROOT}/")


class OpenInferenceRoutes:
    """The routes below /v2 of a server with one model, which has a name there, or with many."""

    def __init__(self, config: ServeConfig) -> None:
        self._many_models = config.multi_model
        self._name = config.model_name

    def find(self, scope: Scope) -> Route:
        """The route of a request, by its ASGI scope; `Route.called` is the model's name in the path.

        Raises:
            RequestError: 400, 404 or 405.
        """
        path, method = scope["raw_path"].decode("latin-1"), scope["method"]
        found = _OF_MODEL.fullmatch(path)
        # The probes come here with a wrong method only.
        if not found and path not in (ROOT, f"{ROOT}/", *PROBES):
            raise RequestError(
                404,
                f"there is nothing here; the routes are GET {ROOT}, GET {LIVE}, GET {READY}, GET {ROOT}/models/NAME, "
                f"GET {ROOT}/models/NAME/ready and POST {ROOT}/models/NAME/infer",
            )
        verb = _VERBS[found["verb"]] if found else "server"
        allowed = "POST" if verb == "infer" else "GET"
        if ("GET" if method == "HEAD" else method) != allowed:
            raise MethodError(path, (allowed,))
        return self._of_model(verb, read_name(found["name"]), found["version"]) if found else Route(verb)

    def _of_model(self, verb: Verb, name: str, version: str | None) -> Route:
        if not (self._many_models or name == self._name):
            raise RequestError(404, f"there is no model {name[:100]!r}; the only one here is {self._name!r}")
        if version not in (None, VERSION):
            raise RequestError(404, f"there is no version {version[:100]!r}; every model's only version is {VERSION!r}")
        return Route(verb, name if self._many_models else FIXED_MODEL, called=name)


def of_request(asked: Route, headers: Headers) -> OpenInference | None:
    """What a worker needs to know of such a request; None for a request by another protocol.

    Raises:
        RequestError: 400, a header is not a number.
    """
    if asked.verb not in ("infer", "metadata"):
        return None
    length = headers.get(_JSON_BYTES)
    if length is not None and not (length.isdigit() and len(length) <= _MOST_DIGITS):
        raise RequestError(400, f"the {JSON_BYTES_HEADER} header is not a number of bytes")
    return OpenInference(
        model=asked.called,
        metadata=asked.verb == "metadata",
        json_bytes=None if length is None else int(length),
    )


def model_ready(asked: Route) -> Reply:
    """Say that a model is ready."""
    return _json({"name": asked.called, "ready": True})


def in_protocol(reply: Reply) -> Reply:
    """Give an error the form that the protocol has for it: `{"error": "…"}`."""
    if reply.status < 400:
        return reply
    return replace(reply, body=json.dumps({"error": json.loads(reply.body)["error"]["message"]}).encode())


def json_bytes_header(reply: Reply) -> list[tuple[bytes, bytes]]:
    """The header that says where an answer's binary tensors begin, if it has any."""
    return [] if reply.json_bytes is None else [(_JSON_BYTES, str(reply.json_bytes).encode())]
