"""Names of new jobs."""

import re
from datetime import UTC, datetime

MOST = 63
"""Letters of a training job's name."""


def new_name(base: str, most: int = MOST, *, short: bool = False) -> str:
    """Build a name from a base and the time.

    Args:
        base: Its beginning, which is cut off where the name would be too long.
        most: Letters that the name may have.
        short: Write the time without separators and milliseconds.
    """
    now = datetime.now(UTC)
    time = f"{now:%y%m%d-%H%M}" if short else f"{now:%Y-%m-%d-%H-%M-%S}-{now.microsecond // 1000:03d}"
    return f"{base[: most - len(time) - 1].rstrip('-')}-{time}"


def base_name(name: str) -> str:
    """Return the base of a name that `new_name` built."""
    return re.sub(r"-\d{4}(-\d\d){5}-\d{3}$", "", name)
