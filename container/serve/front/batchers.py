"""The way to a model: its batcher, the same for one model and for many."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from container.serve.front.batcher import Batcher
from container.serve.protocol.replies import RequestError
from container.serve.protocol.state import LatestState, ModelState

UNKNOWN = RequestError(404, "no model of this name is loaded")


class Batchers:
    """A batcher for every model that had a request since it was loaded."""

    def __init__(self, new_batcher: Callable[[str, int], Batcher], state: LatestState) -> None:
        """
        Args:
            new_batcher: Makes one, given what multi-model-server calls the model, and its batch size.
            state: The server's.
        """
        self._new_batcher = new_batcher
        self._state = state
        self._batchers: dict[str, Batcher] = {}
        self._leaving: Counter[str] = Counter()

    def find(self, name: str) -> Batcher:
        """The batcher of a model that accepts requests.

        Raises:
            RequestError: 404, the model is not loaded; 503, it does not accept requests at the moment.
        """
        state = self._state()
        if not state.accepting:
            raise RequestError(503, state.reason)
        model = state.models.get(name)
        if model is None or self.is_leaving(name):
            raise UNKNOWN.anew()
        if not model.accepting:
            raise RequestError(503, "this model is being loaded again after a part of the server ended; try again")
        return self.of(model)

    def of(self, model: ModelState) -> Batcher:
        """The model's batcher, whatever the model's state."""
        if model.key not in self._batchers:
            self._batchers[model.key] = self._new_batcher(model.key, model.batch_size)
        return self._batchers[model.key]

    @property
    def waiting(self) -> int:
        """Requests that wait for a worker, of all models."""
        return sum(batcher.waiting for batcher in self._batchers.values())

    def is_leaving(self, name: str) -> bool:
        """The model is being unloaded, and takes no more requests."""
        return self._leaving[name] > 0

    @contextmanager
    def leaving(self, name: str) -> Iterator[None]:
        """Take no more requests for a model while it is unloaded."""
        self._leaving[name] += 1
        try:
            yield
        finally:
            self._leaving[name] -= 1
            self._leaving += Counter()

    def forget(self, model: ModelState) -> None:
        """Drop the batcher of a model that is gone; it still answers the requests that it holds."""
        self._batchers.pop(model.key, None)
