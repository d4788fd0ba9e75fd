"""Prints progress to standard error, apart from the results."""

import sys


def tell(line: str) -> None:
    """Print a line to standard error at once."""
    print(line, file=sys.stderr, flush=True)
