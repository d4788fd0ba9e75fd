"""The failure file: SageMaker shows its first 1,024 characters as the job's FailureReason."""

import re
import signal
from pathlib import Path

LIMIT = 1024

# Names the file from which the launcher reads the script's own exit code: the toolkit turns every one into 1.
EXIT_CODE_FILE = "SLIPWAY_EXIT_CODE_FILE"

# Exit code of a process of ours that exits because another one died; not used by Python, shells or torch.
LOST_PEER = 75

# Causes that cost people hours, and what to do about them.
_HINTS = (
    (
        # Our own job's message (batch_size.py) has better advice than to halve.
        re.compile(r"CUDA out of memory(?! with batch-size)|CUDA error: out of memory|OutOfMemoryError"),
        "The GPU's memory is full: halve batch-size, set amp to auto, or take a smaller image-size.",
    ),
    (
        re.compile(r"unable to find an engine to execute"),
        "Most often the GPU's memory is full: halve batch-size, or take a smaller image-size.",
    ),
    (
        re.compile(r"CUDA error: (?!out of memory)|CUDNN_STATUS_|NCCL error|uncorrectable (ECC|NVLink)"),
        "The GPU failed. Start the job again: it goes on from its last checkpoint. If it fails at the same step, set "
        "the environment variable CUDA_LAUNCH_BLOCKING=1, which shows the operation that is at fault.",
    ),
    (
        re.compile(r"bus error|insufficient shared memory|shared memory segment|shared memory\(shm\)", re.IGNORECASE),
        "Shared memory (/dev/shm) is full: set num-workers to 0, or give the container more (docker run --shm-size).",
    ),
    (
        re.compile(r"DataLoader worker \(pid.*\) (is killed by signal: Killed|exited unexpectedly)"),
        "A DataLoader worker was killed, most often because memory ran out: lower num-workers or batch-size.",
    ),
    (
        re.compile(r"DefaultCPUAllocator: (can't|not enough)|MemoryError"),
        "The memory is full: lower batch-size, image-size or num-workers, or take a larger instance.",
    ),
)
_KILLED = "Most often the host was out of memory: lower batch-size or num-workers, or take a larger instance."


def describe_signal(number: int) -> str:
    """Compose a sentence for a process that was killed by a signal."""
    text = f"the training process was killed by {signal.Signals(number).name} (exit code {128 + number})"
    return f"{text}. {_KILLED}" if number == signal.SIGKILL else text


def compose(summary: str, detail: str = "") -> str:
    """Join cause, hint and tail into at most 1,024 characters, the cause first.

    Args:
        summary: An exception's name and message, or a sentence.
        detail: Output or traceback; only its end is kept.
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


def write_failure(path: Path, text: str) -> None:
    """Write the failure file unless it exists: the first failure is the cause."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
