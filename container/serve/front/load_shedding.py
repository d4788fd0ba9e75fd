"""Load shedding: refuses at once a request that could not be answered before its deadline."""

import math
import time

from container.serve.protocol.replies import RequestError

# The weight of older measurements when one more batch has returned.
_MEMORY = 0.8


class LoadShedding:
    """Estimates throughput, only while requests wait: the latency of an idle server says little about it under load."""

    def __init__(self) -> None:
        self._busy_s = 0.0
        self._requests = 0.0
        self._last_return = 0.0

    def note(self, sent_at: float, requests: int) -> None:
        """Record that a batch has returned while others waited; `sent_at` is by `time.monotonic()`."""
        now = time.monotonic()
        self._busy_s = _MEMORY * self._busy_s + now - max(sent_at, self._last_return)
        self._requests = _MEMORY * self._requests + requests
        self._last_return = now

    def rest(self) -> None:
        """Record that a batch has returned and nothing waits."""
        self._last_return = time.monotonic()

    def refuse_if_too_late(self, ahead: int, deadline: float) -> None:
        """Refuse a request that cannot be answered in time.

        Args:
            ahead: Requests ahead of it.
            deadline: Its deadline, by `time.monotonic()`.

        Raises:
            RequestError: 503; `retry_after_s` is when such a request could be answered.
        """
        # One with none ahead is always tried: nothing else would show that the model has become faster.
        if not ahead or not self._requests:
            return
        late_s = time.monotonic() + (ahead + 1) * self._busy_s / self._requests - deadline
        if late_s > 0:
            raise RequestError(
                503,
                f"{ahead} requests are ahead of this one, and it could not be answered in time; try again",
                retry_after_s=math.ceil(late_s),
            )
