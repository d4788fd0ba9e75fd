"""How fast a model's requests are answered while it is busy, and so which of them could not be answered in time."""

import math
import time

from container.serve.replies import RequestError

# Of what was known before, so much still counts when one more bundle has returned.
_MEMORY = 0.8


class Pace:
    """Measured only while requests wait: what an idle server takes for one says little of what it takes for many."""

    def __init__(self) -> None:
        self._busy_s = 0.0
        self._requests = 0.0
        self._last_return = 0.0

    def note(self, sent_at: float, requests: int) -> None:
        """A bundle of so many requests has returned, while others waited; `sent_at` is of `time.monotonic()`."""
        now = time.monotonic()
        self._busy_s = _MEMORY * self._busy_s + now - max(sent_at, self._last_return)
        self._requests = _MEMORY * self._requests + requests
        self._last_return = now

    def rest(self) -> None:
        """A bundle has returned, and nothing waits."""
        self._last_return = time.monotonic()

    def refuse_if_hopeless(self, ahead: int, deadline: float) -> None:
        """See that a request can be answered in time.

        Args:
            ahead: Requests before it.
            deadline: Its own, by `time.monotonic()`.

        Raises:
            RequestError: 503, it cannot; `retry_after_s` is when one like it could.
        """
        # One that is alone is always tried: nothing else would show that the model has become faster.
        if not ahead or not self._requests:
            return
        late_s = time.monotonic() + (ahead + 1) * self._busy_s / self._requests - deadline
        if late_s > 0:
            raise RequestError(
                503,
                f"{ahead} requests are before this one, and it could not be answered in time; try again",
                retry_after_s=math.ceil(late_s),
            )
