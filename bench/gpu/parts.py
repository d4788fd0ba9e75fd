"""Lists the parts in order, and runs one in a process of its own, until it exits or its time is over."""

import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from container.processes import die_with_parent, kill_descendants

LOG = "log.txt"
_GRACE_S = 4.0
"""Seconds after its time in which a part may still write results."""
_MOST_LOG_BYTES = 12_000_000


@dataclass(frozen=True, kw_only=True)
class Part:
    """A module of this package with a `run` function."""

    number: int
    module: str
    most_s: float
    """Time limit in seconds, unless fewer are left."""

    @property
    def file(self) -> str:
        """Name of the file with its measurements."""
        return f"{self.number}-{self.module.replace('_', '-')}.jsonl"


PARTS = tuple(
    Part(number=number, module=module, most_s=most_s)
    for number, (module, most_s) in enumerate(
        {
            "machine_and_tests": 100.0,
            "training": 185.0,
            "decoding": 40.0,
            "overhead": 50.0,
            "serving": 80.0,
            "interruption": 50.0,
        }.items(),
        start=1,
    )
)
"""The limits add up to nine minutes, less the time for installing packages and stopping processes."""


def run_part(part: Part, *, out: Path, scratch: Path, device: str, quick: bool, ends_at: float) -> str | None:
    """Run one part; its output is shown, and added to the log.

    Args:
        part: The part to run.
        out: Directory of its file and of the log.
        scratch: Directory for temporary files.
        device: cuda or cpu.
        quick: Whether to measure as little as possible.
        ends_at: By `time.monotonic()`; the part is killed some seconds later.

    Returns:
        What went wrong, in words; None if nothing did.
    """
    command = [sys.executable, "-m", "bench.gpu.part", part.module, f"--file={out / part.file}"]
    command += [f"--scratch={scratch}", f"--device={device}", f"--ends-at={ends_at}", *["--quick"] * quick]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, preexec_fn=die_with_parent)
    with (out / LOG).open("ab") as log:
        # In a thread, because processes that outlive the part may hold the pipe open.
        copying = threading.Thread(target=_copy, args=(process.stdout, log), daemon=True)
        copying.start()
        try:
            code = process.wait(max(0.0, ends_at - time.monotonic()) + _GRACE_S)
        except subprocess.TimeoutExpired:
            code = None
        # Including what it left behind: DataLoader workers, jobs.
        kill_descendants()
        copying.join(_GRACE_S)
    if code is None:
        return "killed, its time was over"
    if code < 0:
        return f"killed by signal {-code}"
    return "something failed, see its file and the log" if code else None


def _copy(source: IO[bytes], log: IO[bytes]) -> None:
    for line in source:
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()
        if not log.closed and log.tell() < _MOST_LOG_BYTES:
            log.write(line)
            log.flush()
