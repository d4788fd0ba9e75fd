"""The record of a request, for the log and the metrics."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

from container.serve.protocol.replies import Reply

RouteName = Literal["execution-parameters", "openapi", "ping", "invocations", "models", "open-inference", "other"]


@dataclass(kw_only=True, slots=True)
class RequestRecord:
    """A request from its headers to its answer; filled in as it proceeds."""

    route: RouteName = "other"
    model: str = ""
    """Name of the model that was asked."""
    start: float = field(default_factory=time.monotonic)
    """When its headers had arrived, by `time.monotonic()`."""
    received: float | None = None
    """When its body had arrived."""
    end: float = 0.0
    """When it was answered, or the client left."""
    bytes_in: int = 0
    """Bytes of the body."""
    reply: Reply | None = None
    """None: the client left before it was answered."""

    @property
    def status(self) -> str:
        return str(self.reply.status) if self.reply else "gone"

    @property
    def seconds(self) -> float:
        return self.end - self.start

    def stages(self) -> dict[str, float]:
        """Seconds by stage, for the stages that it reached."""
        if self.received is None:
            return {}
        stages: dict[str, float | None] = {"receive": self.received - self.start}
        work = self.reply.work if self.reply else None
        if work:
            stages["queue"] = max(0.0, work.taken - self.received)
            stages |= {"decode": work.decode, "forward": work.forward, "encode": work.encode}
        return {stage: seconds for stage, seconds in stages.items() if seconds is not None}


class RequestObserver(Protocol):
    """Is notified of every finished request."""

    def note(self, record: RequestRecord) -> None:
        """Observe a finished request; must be cheap, as it runs in the event loop."""


@dataclass(frozen=True, kw_only=True)
class Levels:
    """Gauges of the front's load."""

    in_flight: Callable[[], int]
    """Requests held, from their headers to their answer."""
    waiting: Callable[[], int]
    """Those of them that wait in the front for a worker."""
    held_bytes: Callable[[], int]
    """Bytes of their bodies."""
    ready: Callable[[], bool]
    """Whether /ping is answered 200."""
