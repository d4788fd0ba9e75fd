"""The meaning of a model's failure, for a server with one model and for one with many.

With one model, a failure either ends the server, with the reason and exit code 1, or has multi-model-server restarted,
which the supervisor does a few times before it gives up. A failed warm-up prediction is retried until
SAGEMAKER_STARTUP_TIMEOUT.

With many models, a failure while one is loaded is the answer to the request to load it. Later, 503 means that the model
is reloaded, and anything else that it is given up.
"""

from dataclasses import dataclass
from enum import Enum, auto

from container.contract.errors import ServeError
from container.serve.mms.model_server_process import ModelServerEndedError
from container.serve.protocol.replies import FullError, RequestError
from container.serve.settings.variables import STARTUP_TIMEOUT


class Failure(Enum):
    """The ways in which a model can fail."""

    CANNOT_LOAD = auto()
    """A worker reports why."""
    NO_MEMORY = auto()
    """A worker reports that there is too little memory."""
    WORKER_DIED = auto()
    """A worker died while it loaded the model, without a report."""
    WORKERS_DIE = auto()
    """That happened repeatedly."""
    TOO_LATE = auto()
    """Not ready within SAGEMAKER_STARTUP_TIMEOUT."""
    WARM_UP = auto()
    """The warm-up prediction failed."""
    REFUSED = auto()
    """multi-model-server did not load it."""
    PART_ENDED = auto()
    """A process that it depends on ended."""
    NO_ROOM = auto()
    """The disk is full."""


@dataclass(frozen=True)
class _Meaning:
    ends_server: bool
    """With one model, whether the server ends; otherwise multi-model-server is restarted."""
    status: int
    """With many models, the status of the answer."""
    one: str = "{why}"
    many: str = "{why}"


_MEANINGS = {
    Failure.CANNOT_LOAD: _Meaning(True, 422),
    Failure.NO_MEMORY: _Meaning(True, 507),
    Failure.WORKER_DIED: _Meaning(False, 507, one="it did not load the model: {why}"),
    Failure.WORKERS_DIE: _Meaning(True, 507),
    Failure.TOO_LATE: _Meaning(
        True,
        504,
        one=f"the server was not ready within {{why}} ({{detail}}); {STARTUP_TIMEOUT.names[0]} gives it longer",
        many="the model was not loaded within {why}",
    ),
    Failure.WARM_UP: _Meaning(False, 500),
    Failure.REFUSED: _Meaning(
        False, 500, one="it did not load the model: {why}", many="the model was not loaded: {why}"
    ),
    Failure.PART_ENDED: _Meaning(False, 503, many="the model was not loaded: {why}; try again"),
    Failure.NO_ROOM: _Meaning(False, 503, many="{why}; try again"),
}


class ModelError(Exception):
    """A model failed.

    Args:
        failure: The kind of failure.
        why: For the message.
        detail: For the message, if that has a place for it.
        status: Overrides the status of `failure`.
    """

    def __init__(self, failure: Failure, why: str, *, detail: str = "", status: int | None = None) -> None:
        super().__init__(why)
        self.failure = failure
        self._words = {"why": why, "detail": detail}
        self._meaning = _MEANINGS[failure]
        self._status = status or self._meaning.status

    def with_one_model(self) -> ServeError | ModelServerEndedError:
        """The error for the supervisor, which ends the server or has multi-model-server restarted."""
        message = self._meaning.one.format(**self._words)
        return ServeError(message) if self._meaning.ends_server else ModelServerEndedError(message)

    def with_many_models(self) -> RequestError:
        """The error for a client that has the model loaded."""
        message = self._meaning.many.format(**self._words)
        return (FullError if self.failure is Failure.NO_MEMORY else RequestError)(self._status, message)
