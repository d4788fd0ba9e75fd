"""The failure file: SageMaker shows its first 1,024 characters as the job's FailureReason."""

import itertools
import re
import signal
from pathlib import Path

LIMIT = 1024

# Names the file in which the launcher finds the script's own exit code: the toolkit makes 1 of every one.
EXIT_CODE_FILE = "SLIPWAY_EXIT_CODE_FILE"

# The exit code of a process of ours that ends because another one did; not used by Python, shells or torch.
LOST_PEER = 75

# A cause that people lose hours on, and what to do about it.
_HINTS = (
    (
        # Our own job's message (sizing.py) knows better than to halve.
        re.compile(r"CUDA out of memory(?! with batch-size)|CUDA error: out of memory|OutOfMemoryError"),
        "The GPU's memory is full: halve batch-size, set amp to auto, or take a smaller image-size.",
    ),
    (
        re.compile(r"bus error|insufficient shared memory|shared memory segment", re.IGNORECASE),
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

# The start of a traceback; a SyntaxError has only the second form.
_TRACEBACK = re.compile(r"^Traceback \(most recent call last\):|^  File \".*\", line \d+$")
_EXCEPTION = re.compile(r"^[A-Za-z_][\w.]*(: .*)?$")
_TOOLKIT = "sagemaker-training-toolkit"
_VERDICT = "Reporting training FAILURE"


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


def script_lines(lines: list[str]) -> list[str]:
    """What the script wrote itself: the toolkit logs before it starts and after it has failed."""
    verdicts = [number for number, line in enumerate(lines) if _TOOLKIT in line and _VERDICT in line]
    before = lines[: verdicts[0]] if verdicts else lines
    starts = [number for number, line in enumerate(before) if f" {_TOOLKIT} " in line]
    return before[starts[-1] + 1 :] if starts else before


def find_exception(lines: list[str]) -> tuple[str, str] | None:
    """Find the last exception that a script showed.

    Returns:
        The exception's name and message, and the output from its traceback on; None where there is none.
    """
    for start in range(len(lines) - 1, -1, -1):
        if not _TRACEBACK.match(lines[start]):
            continue
        for end in range(start + 1, len(lines)):
            if _EXCEPTION.match(lines[end]):
                message = [lines[end], *itertools.takewhile(lambda line: line[:1].isspace(), lines[end + 1 :])]
                return "\n".join(message), "\n".join(lines[start:])
    return None


def write_failure(path: Path, text: str) -> None:
    """Write the failure file unless there is one: the first failure is the cause."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
