"""Progress, where it is not in the way of what is printed."""

import sys


def tell(line: str) -> None:
    """On standard error, at once."""
    print(line, file=sys.stderr, flush=True)
