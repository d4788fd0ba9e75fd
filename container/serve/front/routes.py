"""Routing: from a method and a path to an operation."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote

from container.serve.front.openapi import document
from container.serve.front.receive import Scope
from container.serve.protocol.replies import RequestError
from container.serve.protocol.state import FIXED_MODEL

_PING, _INVOCATIONS, _PARAMETERS = "/ping", "/invocations", "/execution-parameters"
_PREFIX = "/models/"
_INVOKE = "/invoke"
_LONGEST_NAME = 1024

Verb = Literal[
    "ping", "parameters", "openapi", "invoke", "load", "list", "get", "unload",
    "server", "ready", "metadata", "infer",
]  # fmt: skip
"""The last four are in open_inference.py."""

_NAMED: tuple[Verb, ...] = ("invoke", "get", "unload")

_WITH_HEAD = {"GET": ("GET", "HEAD")}


@dataclass(frozen=True)
class Route:
    """One of the server's operations."""

    verb: Verb
    name: str = ""
    query: str = ""
    called: str = ""
    """The model's name in the path, by the Open Inference Protocol; `name` is the server's own."""


class MethodError(RequestError):
    """A 405, with the methods that are allowed."""

    def __init__(self, path: str, methods: tuple[str, ...]) -> None:
        self.methods = tuple(allowed for method in methods for allowed in _WITH_HEAD.get(method, (method,)))
        super().__init__(405, f"{path[:100]} takes {' and '.join(self.methods)} only")


class Routes:
    """The routes of a server with one model, or with many."""

    def __init__(self, *, many_models: bool, openapi: bool) -> None:
        """
        Args:
            many_models: Offer the routes below /models in place of those for one model.
            openapi: Offer the server's description.
        """
        self._many_models = many_models
        self._fixed = {_PING: ("GET", Route("ping"))}
        if openapi:
            self._fixed[document.PATH] = ("GET", Route("openapi"))
        if not many_models:
            self._fixed[_PARAMETERS] = ("GET", Route("parameters"))
            self._fixed[_INVOCATIONS] = ("POST", Route("invoke", FIXED_MODEL))

    def find(self, scope: Scope) -> Route:
        """The route of a request, by its ASGI scope.

        Raises:
            RequestError: 400, 404 or 405.
        """
        path, method = scope["path"], scope["method"]
        # HEAD is answered as GET is; uvicorn omits the body.
        method = "GET" if method == "HEAD" else method
        if path in self._fixed:
            allowed, found = self._fixed[path]
            if method != allowed:
                raise MethodError(path, (allowed,))
            return found
        if not self._many_models:
            raise RequestError(
                404, f"there is nothing here; the routes are GET /ping, GET {_PARAMETERS} and POST /invocations"
            )
        if path == _INVOCATIONS:
            raise RequestError(
                404, "this server holds many models (SAGEMAKER_MULTI_MODEL); ask one of them: POST /models/NAME/invoke"
            )
        return _many_models_route(method, scope["raw_path"].decode("latin-1"), scope["query_string"].decode("latin-1"))


def _many_models_route(method: str, raw_path: str, query: str) -> Route:
    """Parse a raw path below /models; a model's name may hold anything, percent-encoded.

    Raises:
        RequestError: 400, 404 or 405.
    """
    if raw_path in ("/models", _PREFIX):
        verbs: Mapping[str, Verb] = {"POST": "load", "GET": "list"}
    elif not raw_path.startswith(_PREFIX):
        raise RequestError(
            404,
            "there is nothing here; with SAGEMAKER_MULTI_MODEL, the routes are GET /ping, GET and POST /models, GET "
            "and DELETE /models/NAME, and POST /models/NAME/invoke",
        )
    elif raw_path.removeprefix(_PREFIX).endswith(_INVOKE):
        # In a model's name that ends like that, the slash is percent-encoded.
        verbs = {"POST": "invoke"}
        raw_path = raw_path.removesuffix(_INVOKE)
    else:
        verbs = {"GET": "get", "DELETE": "unload"}
    if method not in verbs:
        raise MethodError(raw_path, tuple(verbs))
    return Route(verbs[method], read_name(raw_path.removeprefix(_PREFIX)) if verbs[method] in _NAMED else "", query)


def read_name(encoded: str) -> str:
    """Read a model's name from a raw path.

    Raises:
        RequestError: 400, it is not UTF-8, or has a wrong length.
    """
    try:
        name = unquote(encoded, errors="strict")
    except UnicodeDecodeError:
        raise RequestError(400, "the model's name is not UTF-8") from None
    return check_name(name)


def check_name(name: str) -> str:
    """Check a model's name: any text that is not empty or too long.

    Raises:
        RequestError: 400.
    """
    try:
        length = len(name.encode())
    except UnicodeEncodeError:
        length = 0
    if not 1 <= length <= _LONGEST_NAME:
        raise RequestError(400, f"a model's name is text of 1 to {_LONGEST_NAME} bytes")
    return name
