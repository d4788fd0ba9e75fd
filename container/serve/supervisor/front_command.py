"""The front's command line, which is all that the supervisor knows of it."""

import sys


def front_command(descriptor: int, metrics: int | None, workers: int) -> list[str]:
    """The command that starts a front on inherited listening sockets: the public one, and the metrics port's if any."""
    return [
        sys.executable, "-m", "container.serve.front", "--socket", str(descriptor), "--workers", str(workers),
        *([] if metrics is None else ["--metrics", str(metrics)]),
    ]  # fmt: skip
