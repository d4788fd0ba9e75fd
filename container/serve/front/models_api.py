"""Loading, unloading and listing models, as SageMaker asks a multi-model container to.

Source: "Custom Containers Contract for Multi-Model Endpoints" in the SageMaker developer guide.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qs

from container.serve.front.batcher import Batcher
from container.serve.front.batchers import UNKNOWN, Batchers
from container.serve.front.routes import Route, check_name
from container.serve.protocol import control
from container.serve.protocol.replies import FullError, Reply, RequestError
from container.serve.protocol.state import LatestState
from container.serve.settings.config import ServeConfig

MAX_LOAD_BODY_BYTES = 65536

_PAGE_SIZE, _LARGEST_PAGE = 100, 1000


class ModelsApi:
    """Answers all requests below /models but those for predictions."""

    def __init__(self, config: ServeConfig, run_dir: Path, batchers: Batchers, state: LatestState) -> None:
        """
        Args:
            config: The server's settings.
            run_dir: Where the supervisor's control socket is.
            batchers: Know which models are busy.
            state: The server's state.
        """
        self._config = config
        self._run_dir = run_dir
        self._batchers = batchers
        self._state = state

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
                    raise UNKNOWN.anew()
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
                # Its batcher counts as used from now on: a new model must not be the least recently used one.
                if model := self._state(fresh=True).models.get(name):
                    self._batchers.of(model)
                return

    async def _unload(self, name: str) -> None:
        """Unload a model after its requests have finished; new ones are refused meanwhile."""
        with self._batchers.leaving(name):
            model = self._state().models.get(name)
            if model:
                await self._batchers.of(model).until_idle()
            await control.ask(self._run_dir, verb="unload", name=name)
            self._state(fresh=True)
            if model:
                self._batchers.forget(model)

    async def _evict(self) -> bool:
        """Unload the least recently used idle model, if that is enabled; returns whether there was one."""
        if not self._config.evict:
            return False
        idle: dict[str, Batcher] = {}
        for name, model in self._state(fresh=True).models.items():
            batcher = self._batchers.of(model)
            if batcher.idle and model.accepting and not self._batchers.is_leaving(name):
                idle[name] = batcher
        if not idle:
            return False
        try:
            await self._unload(min(idle, key=lambda name: idle[name].used_at))
        except RequestError as error:
            # Another request has unloaded it.
            return error.status == 404
        return True


def read_load(body: bytes) -> tuple[str, str]:
    """The name and the url in a request to load a model.

    Raises:
        RequestError: 400, what is wrong with the body.
    """
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        raise RequestError(400, 'the body is not JSON; it must be {"model_name": …, "url": …}') from None
    name, url = (fields.get("model_name"), fields.get("url")) if isinstance(fields, dict) else (None, None)
    if not isinstance(name, str) or not isinstance(url, str):
        raise RequestError(400, 'the body must be {"model_name": …, "url": …}, both of them strings')
    return check_name(name), url


def page(models: Mapping[str, str], query: str) -> dict[str, object]:
    """One page of the list of models, by name.

    Args:
        models: Urls by name.
        query: `next_page_token` and `page_size`, both optional.

    Raises:
        RequestError: 400, an invalid token, or a size out of range.
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
        raise RequestError(400, "next_page_token is not one that this server gave") from None
