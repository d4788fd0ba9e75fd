"""What is noted of a request from its headers to its answer, for the log and the metrics."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

from container.serve.replies import Reply

RouteName = Literal["execution-parameters", "openapi", "ping", "invocations", "models", "other"]


@dataclass(kw_only=True, slots=True)
class RequestRecord:
    """One request; filled as it goes on."""

    route: RouteName = "other"
    model: str = ""
    """Of many models, the name of the one that was asked."""
    start: float = field(default_factory=time.monotonic)
    """When its headers were there, by `time.monotonic()`."""
    received: float | None = None
    """When its body was there."""
    end: float = 0.0
    """When its answer was there, or the client gone."""
    bytes_in: int = 0
    """Of the body."""
    reply: Reply | None = None
    """None: the client left before."""

    @property
    def status(self) -> str:
        return str(self.reply.status) if self.reply else "gone"

    @property
    def seconds(self) -> float:
        return self.end - self.start

    def stages(self) -> dict[str, float]:
        """Seconds by stage, of those that it came through."""
        if self.received is None:
            return {}
        stages: dict[str, float | None] = {"receive": self.received - self.start}
        work = self.reply.work if self.reply else None
        if work:
            stages["queue"] = max(0.0, work.taken - self.received)
            stages |= {"decode": work.decode, "forward": work.forward, "encode": work.encode}
        return {stage: seconds for stage, seconds in stages.items() if seconds is not None}


class Watcher(Protocol):
    """Is told of every request that is over."""

    def note(self, record: RequestRecord) -> None:
        """Cheap: it runs between two requests."""


@dataclass(frozen=True, kw_only=True)
class Levels:
    """How full the front is, asked whenever it is wanted."""

    in_flight: Callable[[], int]
    """Requests that are held, from their headers to their answer."""
    waiting: Callable[[], int]
    """Of these, those that wait in the front for a worker."""
    held_bytes: Callable[[], int]
    """Bytes of their bodies."""
    ready: Callable[[], bool]
    """Whether /ping is 200."""
