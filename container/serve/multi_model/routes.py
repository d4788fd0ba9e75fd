"""The part of the front for many models: what SageMaker asks a multi-model container.

Source: "Custom Containers Contract for Multi-Model Endpoints" in the SageMaker developer guide.
"""

import base64
import binascii
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qs, unquote

from container.serve.config import ServeConfig
from container.serve.lane import Lane
from container.serve.multi_model import control
from container.serve.multi_model.memory import FullError
from container.serve.multi_model.traffic import Traffic
from container.serve.replies import Reply, RequestError
from container.serve.state import LatestState

TARGET_HEADER = b"x-amzn-sagemaker-target-model"
"""The model as the client called it; for the log only."""

MAX_LOAD_BODY_BYTES = 65536

_PREFIX = "/models/"
_INVOKE = "/invoke"
_LONGEST_NAME = 1024
_PAGE_SIZE, _LARGEST_PAGE = 100, 1000

_UNKNOWN = RequestError(404, "no model of this name is loaded")

Verb = Literal["parameters", "openapi", "invoke", "load", "list", "get", "unload"]


@dataclass(frozen=True)
class Route:
    """What a method and a path ask for."""

    verb: Verb
    name: str = ""
    query: str = ""


def route(method: str, raw_path: str, query: str) -> Route:
    """Read a path below /models as it came; a model's name may hold anything, percent-encoded.

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
        # A model whose own name ends like that is asked for with its slash percent-encoded.
        verbs = {"POST": "invoke"}
        raw_path = raw_path.removesuffix(_INVOKE)
    else:
        verbs = {"GET": "get", "DELETE": "unload"}
    if method not in verbs:
        raise MethodError(raw_path, tuple(verbs))
    return Route(verbs[method], _checked_name(raw_path.removeprefix(_PREFIX)) if verbs[method] in _NAMED else "", query)


_NAMED = ("invoke", "get", "unload")


class MethodError(RequestError):
    """405, and which methods there are."""

    def __init__(self, path: str, methods: tuple[str, ...]) -> None:
        super().__init__(405, f"{path[:100]} takes {' and '.join(methods)} only")
        self.methods = methods


def _checked_name(encoded: str) -> str:
    try:
        name = unquote(encoded, errors="strict")
    except UnicodeDecodeError:
        raise RequestError(400, "the model's name is not UTF-8") from None
    return check_name(name)


def check_name(name: str) -> str:
    """The name itself: any text that is not too long.

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


def read_load(body: bytes) -> tuple[str, str]:
    """The name and the url of a request to load a model.

    Raises:
        RequestError: 400, what is wrong with the body.
    """
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        raise RequestError(400, 'the body is not JSON; it must be {"model_name": …, "url": …}') from None
    name, url = (fields.get("model_name"), fields.get("url")) if isinstance(fields, dict) else (None, None)
    if not isinstance(name, str) or not isinstance(url, str):
        raise RequestError(400, 'the body must be {"model_name": …, "url": …}, both of them texts')
    return check_name(name), url


def page(models: Mapping[str, str], query: str) -> dict[str, object]:
    """A page of the list of models, in the order of their names.

    Args:
        models: Urls by name.
        query: `next_page_token` and `page_size`, both optional.

    Raises:
        RequestError: 400, a token that is none, or a size out of range.
    """
    asked = {name: values[-1] for name, values in parse_qs(query, keep_blank_values=True).items()}
    size = asked.get("page_size", str(_PAGE_SIZE))
    if not (size.isascii() and size.isdigit() and len(size) < 9 and 1 <= int(size) <= _LARGEST_PAGE):
        raise RequestError(400, f"page_size must be a whole number from 1 to {_LARGEST_PAGE}")
    after = _read_token(asked.get("next_page_token", ""))
    names = sorted(name for name in models if not after or name > after)
    shown, more = names[: int(size)], len(names) > int(size)
    answer: dict[str, object] = {"models": [{"modelName": name, "modelUrl": models[name]} for name in shown]}
    return answer | ({"nextPageToken": base64.urlsafe_b64encode(shown[-1].encode()).decode()} if more else {})


def _read_token(token: str) -> str:
    try:
        return base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True).decode()
    except (UnicodeError, binascii.Error):
        raise RequestError(400, "next_page_token is none that this server gave") from None


class Models:
    """The models, as the front knows and asks for them."""

    def __init__(self, config: ServeConfig, run_dir: Path, traffic: Traffic, state: LatestState) -> None:
        """
        Args:
            config: The server's settings.
            run_dir: Where the supervisor is reached.
            traffic: Which models are busy.
            state: The supervisor's word; `fresh=True` reads it again.
        """
        self._config = config
        self._run_dir = run_dir
        self._traffic = traffic
        self._state = state
        self._leaving: Counter[str] = Counter()

    def find(self, name: str) -> Lane:
        """The lane of a model that requests may be sent to.

        Raises:
            RequestError: 404, it is not loaded; 503, it is being brought back.
        """
        state = self._state()
        if not state.accepting:
            raise RequestError(503, state.reason)
        model = state.models.get(name)
        if model is None or self._leaving[name]:
            raise _UNKNOWN.anew()
        if not model.accepting:
            raise RequestError(503, "this model is being loaded again after a part of the server ended; try again")
        return self._traffic.lane(model)

    async def answer(self, asked: Route, body: bytes) -> Reply:
        """Load, unload or list.

        Raises:
            RequestError: It cannot be done.
        """
        fields: Mapping[str, object]
        match asked.verb:
            case "load":
                name, url = read_load(body)
                await self._load(name, url)
                fields = {"modelName": name, "modelUrl": url}
            case "unload":
                await self._unload(asked.name)
                fields = {"modelName": asked.name}
            case "get":
                models = await control.ask(self._run_dir, verb="list")
                if asked.name not in models:
                    raise _UNKNOWN.anew()
                fields = {"modelName": asked.name, "modelUrl": models[asked.name]}
            case _:
                fields = page(await control.ask(self._run_dir, verb="list"), asked.query)
        return Reply(status=200, content_type="application/json", body=json.dumps(fields).encode())

    async def _load(self, name: str, url: str) -> None:
        while True:
            try:
                await control.ask(self._run_dir, verb="load", name=name, url=url)
            except FullError:
                if not await self._evict():
                    raise
            else:
                # From now on it counts as used: a new model is not the one that was idle longest.
                if model := self._state(fresh=True).models.get(name):
                    self._traffic.lane(model)
                return

    async def _unload(self, name: str) -> None:
        """Let the requests finish that the model has, and refuse others meanwhile."""
        self._leaving[name] += 1
        try:
            model = self._state().models.get(name)
            if model:
                await self._traffic.lane(model).until_idle()
            await control.ask(self._run_dir, verb="unload", name=name)
            self._state(fresh=True)
            if model:
                self._traffic.forget(model)
        finally:
            self._leaving[name] -= 1
            self._leaving += Counter()

    async def _evict(self) -> bool:
        """Unload the idle model that was used least recently, where that is wanted; whether there was one."""
        if not self._config.evict:
            return False
        held = self._state(fresh=True).models
        lanes = {name: self._traffic.lane(model) for name, model in held.items() if not self._leaving[name]}
        idle = [name for name, lane in lanes.items() if lane.idle and held[name].accepting]
        if not idle:
            return False
        try:
            await self._unload(min(idle, key=lambda name: lanes[name].used_at))
        except RequestError as error:
            # Somebody else has unloaded it.
            return error.status == 404
        return True
