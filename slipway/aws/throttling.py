"""Says that AWS throttles calls while botocore tries them again, which can take half a minute."""

import time
from typing import Any

import click

CODES = (
    "LimitExceeded",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "TooManyRequestsException",
)
"""Error codes of calls that come too fast."""

_EVERY_S = 5.0


class ThrottlingNote:
    """Prints a note on the standard error when a throttled call is tried again, at most one in some seconds."""

    def __init__(self) -> None:
        self._last = -_EVERY_S

    def register(self, events: Any) -> None:
        """Listen to botocore's event emitter."""
        # After botocore's own listener, which finds out how often it will try.
        events.register_last("needs-retry", self._tell)

    def _tell(self, response: Any, operation: Any, attempts: int, request_dict: Any, **_: Any) -> None:
        code = response[1].get("Error", {}).get("Code") if response else None
        most = request_dict.get("context", {}).get("retries", {}).get("max", attempts)
        now = time.monotonic()
        if code not in CODES or attempts >= most or now - self._last < _EVERY_S:
            return
        self._last = now
        name = f"{operation.service_model.service_name}:{operation.name}"
        click.echo(f"note: AWS throttles {name} ({code}); trying again (attempt {attempts + 1} of {most})", err=True)
