"""Additions to the SDK's local mode: the reason of a failure, and the output as lines."""

import io
import re
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

from slipway.errors import RemoteJobError

# Docker Compose puts the container's name before each line, in colours.
_PREFIX = re.compile(r"^(?:\x1b\[[0-9;]*m)*[\w.-]+ *\|(?:\x1b\[[0-9;]*m)* ?")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@contextmanager
def local_job(session: Any, name: str, output_path: str, show: Callable[[str], None] | None) -> Iterator[None]:
    """Run a job of local mode in the body, and raise the text of its failure file as the error.

    Args:
        session: A session of local mode; unless it is configured otherwise, container files go to a new folder.
        name: Name of the job, for messages.
        output_path: file://…, or empty for that folder.
        show: Called with the job's lines; None: print them.

    Raises:
        RemoteJobError: A container or Docker failed.
    """
    settings = (session.config or {}).get("local", {})
    root = Path(settings.get("container_root") or tempfile.mkdtemp(prefix="slipway-"))
    session.config = {**(session.config or {}), "local": {**settings, "container_root": str(root)}}
    before = set(root.iterdir())
    lines = ContainerLines(show) if show else None
    try:
        with redirect_stdout(lines or sys.stdout):
            yield
    # ImportError: the SDK finds no Docker Compose.
    except (RuntimeError, OSError, ImportError) as error:
        folders = [folder / "compressed_artifacts" for folder in set(root.iterdir()) - before]
        folders += [Path(output_path.removeprefix("file://"))] if output_path.startswith("file://") else []
        reason = next(filter(None, map(_failure_text, folders)), "")
        if not reason:
            said = " ".join(lines.of_compose[-3:]) if lines else ""
            reason = f"{said} ({' '.join(str(error).split())})".strip()
        raise RemoteJobError(f"the training job {name} failed in local mode: {reason}") from error


def _failure_text(folder: Path) -> str:
    """Read the first paragraph of the failure file in a job's outputs; empty if there is none."""
    try:
        with tarfile.open(folder / "output.tar.gz") as archive:
            for member in archive:
                if Path(member.name).name == "failure" and (file := archive.extractfile(member)):
                    return file.read().decode(errors="replace").strip().partition("\n\n")[0]
    except (OSError, tarfile.TarError):
        pass
    return ""


class ContainerLines(io.TextIOBase):
    """A file whose lines are shown without Docker Compose's prefix; Docker Compose's own lines are kept aside."""

    def __init__(self, show: Callable[[str], None]) -> None:
        self._show = show
        self._shown_on = sys.stdout
        self._rest = ""
        self.of_compose: list[str] = []

    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        with redirect_stdout(self._shown_on):
            for line in lines:
                text = _COLOUR.sub("", _PREFIX.sub("", line)).rstrip()
                if _PREFIX.match(line):
                    self._show(text)
                elif text:
                    self.of_compose.append(text)
        return len(text)
