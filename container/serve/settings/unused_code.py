"""The log line about code in a model directory that nothing calls."""

from collections.abc import Sequence
from pathlib import Path

from container.serve.settings.logs import Event, event


def unused_code(scripts: Sequence[Path], why: str) -> Event:
    """Make the log line that says that the built-in functions answer, although there are Python files."""
    names = ",".join(script.name for script in scripts[:8])
    return event("code-unused", files=names, why=f"{why}; the built-in functions answer")
