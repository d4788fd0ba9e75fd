"""The failure file: SageMaker shows its first 1,024 characters as the job's FailureReason."""

import re
import signal
from pathlib import Path

LIMIT = 1024

# Names the file in which the launcher finds the script's own exit code: the toolkit makes 1 of every one.
EXIT_CODE_FILE = "SLIPWAY_EXIT_CODE_FILE"

# A cause that people lose hours on, and what to do about it.
_HINTS = (
    (
        re.compile(r"CUDA out of memory|CUDA error: out of memory|OutOfMemoryError"),
        "The GPU's memory is full: halve batch-size, set amp to auto, or take a smaller image-size.",
    ),
    (
        re.compile(r"bus error|insufficient shared memory", re.IGNORECASE),
        "Shared memory (/dev/shm) is full: set num-workers to 0, or give the container more (docker run --shm-size).",
    ),
    (
        re.compile(r"DataLoader worker \(pid.*\) (is killed by signal: Killed|exited unexpectedly)"),
        "A process that reads pictures was killed, most often for want of memory: lower num-workers or batch-size.",
    ),
    (
        re.compile(r"DefaultCPUAllocator: (can't|not enough)|MemoryError"),
        "The memory is full: lower batch-size, image-size or num-workers, or take a larger instance.",
    ),
)
_KILLED = "Most often the host was out of memory: lower batch-size or num-workers, or take a larger instance."

_FRAME = re.compile(r"^Traceback \(most recent call last\):")
# The last line of a traceback: a (dotted) exception name at the line's start.
_EXCEPTION = re.compile(r"^([A-Za-z_][\w.]*(?:Error|Exception|Exit|Interrupt|Warning|Iteration|[A-Z]\w*))(: .*)?$")


def describe_signal(number: int) -> str:
    """A sentence for a process that a signal ended."""
    text = f"the training process was ended by {signal.Signals(number).name} (exit code {128 + number})"
    return f"{text}. {_KILLED}" if number == signal.SIGKILL else text


def compose(summary: str, detail: str = "") -> str:
    """Join cause, hint and tail into at most 1,024 characters, the cause first.

    Args:
        summary: Exception and message, or a sentence.
        detail: Output or traceback; its end is kept.
    """
    hint = next((text for pattern, text in _HINTS if pattern.search(summary + detail)), "")
    head = _shorten(summary.strip(), LIMIT - len(hint) - 2)
    if hint:
        head = f"{head}\n{hint}"
    room = LIMIT - len(head) - 2
    tail = detail.strip()[-room:] if room > 80 else ""
    return f"{head}\n\n{tail}" if tail else head


def _shorten(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 2] + " …"


def find_exception(lines: list[str]) -> tuple[str, str] | None:
    """Find the last traceback in a program's output.

    Returns:
        The line that names the exception, and the traceback up to it; None where there is no traceback.
    """
    for start in range(len(lines) - 1, -1, -1):
        if not _FRAME.match(lines[start]):
            continue
        for end in range(start + 1, len(lines)):
            if not lines[end].startswith(" ") and _EXCEPTION.match(lines[end]):
                return lines[end], "\n".join(lines[start : end + 1])
    return None


def write_failure(path: Path, text: str) -> None:
    """Write the failure file unless there is one: the first failure is the cause."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
