"""Why a script failed, found in what a real one wrote; and that its output passes through unchanged."""

import os
import subprocess
import sys
import textwrap
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from container.train.launch.cause import explain
from container.train.launch.failure import compose
from container.train.launch.log_tail import Line, LogTail

# A script whose streams' order matters waits until what it wrote was read.
_STREAMS = """
import fcntl, termios

def await_read():
    while any(any(fcntl.ioctl(stream, termios.FIONREAD, bytes(4))) for stream in (1, 2)):
        pass
"""


def failure(code: str, directory: Path) -> str:
    """Run a script as the launcher would, and say why it failed."""
    script = directory / "script.py"
    (directory / "streams.py").write_text(_STREAMS)
    script.write_text(textwrap.dedent(code))
    process = subprocess.Popen(
        [sys.executable, "-u", str(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=directory
    )
    assert process.stdout is not None
    assert process.stderr is not None
    with Path(os.devnull).open("wb") as nowhere:
        tails = [LogTail(stream, nowhere.fileno()) for stream in (process.stdout, process.stderr)]
        status = process.wait()
        for tail in tails:
            tail.wait(timeout_s=60)
    assert status > 0
    stdout, stderr = (tail.lines() for tail in tails)
    return compose(*explain(stdout, stderr, status))


_BAR = r"import sys; [sys.stderr.write(f'\r{n:3d}%|###       | {n}/100 [00:00]') for n in range(40)]"


@pytest.mark.parametrize(
    ("code", "first"),
    [
        ("print('error: no column label'); raise SystemExit(3)",
         "the training script ended with exit code 3: error: no column label\n"),
        ("raise RuntimeError('state_dict:\\n\\tsize mismatch for fc.weight')",
         "RuntimeError: state_dict:\n\tsize mismatch for fc.weight\n"),
        ("def (:", "SyntaxError: "),
        ("import struct; struct.unpack('i', b'')", "struct.error: unpack requires a buffer of 4 bytes\n"),
        ("raise SystemExit(3)", "the training script ended with exit code 3; it wrote nothing"),
        ("import sys, streams; print('epoch 1'); streams.await_read(); sys.exit('no data: set DATA_URI')",
         "the training script ended with exit code 1: no data: set DATA_URI (last on stdout: epoch 1)"),
        (f"{_BAR}; raise ValueError('on a bar')", "ValueError: on a bar\n"),
        (f"{_BAR}; import streams; streams.await_read(); print('stopped: loss is nan'); sys.exit(4)",
         "the training script ended with exit code 4: stopped: loss is nan\n"),
        ("""
         import atexit, sys, warnings
         class Late:
             def __del__(self): raise OSError("too late")
         late = Late()
         def talk():
             warnings.warn("resource_tracker: There appear to be 1 leaked semaphore objects")
             print(*(f"wandb: metric_{n} 0.5" for n in range(40)), sep="\\n", file=sys.stderr)
             raise RuntimeError("at exit")
         atexit.register(talk)
         raise ValueError("the cause")
         """, "ValueError: the cause\n"),
        ("""
         import logging, sys, streams
         try:
             {}["cached"]
         except KeyError:
             logging.exception("cache miss, going on")
         streams.await_read()
         print(*(f"step {n}" for n in range(100)), sep="\\n")
         print("budget of 100 steps used up")
         sys.exit(3)
         """, "the training script ended with exit code 3: budget of 100 steps used up (last on stderr: "),
        ("""
         import sys, traceback
         try:
             {}["cached"]
         except KeyError:
             traceback.print_exc()
         print(*(f"step {n}" for n in range(100)), sep="\\n", file=sys.stderr)
         sys.exit("the model did not converge")
         """, "the training script ended with exit code 1: the model did not converge\n"),
        ("""
         import logging, sys
         try:
             raise ValueError("label 12 of 10")
         except ValueError:
             logging.exception("training failed")
         sys.exit(3)
         """, "ValueError: label 12 of 10\n"),
        ("""
         inner = ExceptionGroup("reading", [OSError("a.png is gone"), KeyError("b")])
         raise ExceptionGroup("two tasks failed", [inner, ValueError("c")])
         """, "ExceptionGroup: two tasks failed (2 sub-exceptions), the first: OSError: a.png is gone\n"),
        ("import sys; sys.stderr.write('\\x1b[31mTraceback (most recent call last):\\n  File \"x\", line 1, in f\\n"
         "\\x1b[1mpkg.f.<locals>.Bad\\x1b[0m: coloured\\n'); sys.exit(1)", "pkg.f.<locals>.Bad: coloured\n"),
        ("""
         import sys
         lost = "torch.distributed.DistBackendError: Connection closed by peer [10.0.0.2]:1234"
         for rank, message in enumerate([lost, "ValueError: label 12", lost]):
             block = f'Traceback (most recent call last):\\n  File "x.py", line 1, in f\\n    f()\\n{message}\\n'
             sys.stderr.writelines(f"[rank{rank}]: {line}\\n" for line in block.splitlines())
         sys.exit(1)
         """, "ValueError: label 12\n"),
    ],
)  # fmt: skip
def test_the_cause_is_first(code: str, first: str, tmp_path: Path):
    assert f"{failure(code, tmp_path)}\n".startswith(first)


def test_a_long_message_leaves_room_for_nothing_else(tmp_path: Path):
    text = failure("raise RuntimeError('x' * 5000)", tmp_path)
    assert text.startswith("RuntimeError: xxx")
    assert len(text) <= 1024


def shown(fail: Callable[[], object]) -> str:
    """Return the cause that a job would report if its script raised what `fail` raises."""
    try:
        fail()
    except Exception:  # noqa: BLE001 - whatever it is
        lines = [Line(text, 0.0) for text in traceback.format_exc().splitlines()]
    return compose(*explain([], lines, 1))


class Pictures(Dataset[int]):
    def __init__(self, error: Exception) -> None:
        self._error = error

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> int:
        raise self._error


def read(error: Exception) -> None:
    list(DataLoader(Pictures(error), num_workers=1))


def test_an_exception_in_a_dataloaders_worker_is_named_itself():
    text = shown(lambda: read(ValueError("label 12\n  of 10")))
    assert text.startswith("ValueError: label 12 (in DataLoader worker 0)\n  of 10\n")
    assert "in __getitem__" in text


def test_full_shared_memory_is_first_and_has_advice():
    message = "unable to allocate shared memory(shm) for file </torch_1_2_0>: No space left on device (28)"
    first, second, *_ = shown(lambda: read(RuntimeError(message))).splitlines()
    assert first == f"RuntimeError: {message} (in DataLoader worker 0)"
    assert second.startswith("Shared memory (/dev/shm) is full: set num-workers to 0")


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."), "halve batch-size"),
        (torch.AcceleratorError("CUDA error: out of memory"), "halve batch-size"),
        (
            torch.AcceleratorError("CUDA error: an illegal memory access was encountered"),
            "The GPU failed. Start the job again",
        ),
    ],
)
def test_what_a_gpu_fails_of_has_a_hint(error: Exception, hint: str):
    def fail() -> None:
        raise error

    first, second = shown(fail).splitlines()[:2]
    assert first.endswith(str(error))
    assert hint in second


def test_output_passes_unchanged_and_at_once():
    """Also what is no text, and what ends without a newline."""
    writer, reader = os.pipe(), os.pipe()
    tail = LogTail(os.fdopen(writer[0], "rb"), reader[1])
    for piece in (b"no newline", b"\r50%|\x00\xff", "é".encode()[:1], "é".encode()[1:], b"\r\nlast"):
        os.write(writer[1], piece)
        assert os.read(reader[0], 100) == piece
    os.close(writer[1])
    tail.wait(timeout_s=60)
    os.close(reader[0])
    os.close(reader[1])
    assert [line.text for line in tail.lines()] == ["no newline", "50%|\x00\ufffdé", "last"]


def test_only_the_end_of_a_long_log_is_kept():
    writer = os.pipe()
    with Path(os.devnull).open("wb") as nowhere:
        tail = LogTail(os.fdopen(writer[0], "rb"), nowhere.fileno())
        with os.fdopen(writer[1], "w") as log:
            log.writelines(f"line {number}\n" for number in range(200_000))
        tail.wait(timeout_s=60)
    texts = [line.text for line in tail.lines()]
    assert texts[-1] == "line 199999"
    assert 10_000 < len(texts) < 30_000
