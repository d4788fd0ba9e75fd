"""One child process in the foreground: it gets our signals, and we wait for it to end."""

import functools
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import IO

from container.processes import die_with_parent

_FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class ChildProcess:
    """A running child."""

    process: subprocess.Popen[str]
    received: list[int]
    """Signals that this process was sent so far; each was passed on as SIGTERM."""

    @property
    def stdout(self) -> IO[str]:
        """The child's standard output, where it was piped."""
        assert self.process.stdout is not None
        return self.process.stdout

    @property
    def stderr(self) -> IO[str]:
        """The child's standard error, where it was piped."""
        assert self.process.stderr is not None
        return self.process.stderr

    def wait(self) -> int:
        """Wait for the end; returns the exit code, 128 + n where signal n ended the child."""
        code = self.process.wait()
        return 128 - code if code < 0 else code


@contextmanager
def child_process(
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    stdout: IO[str] | int | None = None,
    stderr: IO[str] | int | None = None,
) -> Iterator[ChildProcess]:
    """Run a command; SIGINT, SIGTERM and SIGHUP to this process are passed on as SIGTERM.

    The child is waited for on the way out, whatever happens; an error in the body ends it first. It gets SIGTERM, too,
    when this process is killed.

    Args:
        command: Program and arguments.
        environment: All of the child's environment variables.
        stdout: As for subprocess.Popen; PIPE is read through `ChildProcess.stdout`.
        stderr: As for stdout.
    """
    received: list[int] = []
    process: subprocess.Popen[str] | None = None

    def forward(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        if process is not None:
            process.terminate()

    before = {number: signal.signal(number, forward) for number in _FORWARDED}
    try:
        # A session of its own: Ctrl-C on the terminal reaches the child once, through us, and as SIGTERM.
        process = subprocess.Popen(
            command,
            env=dict(environment),
            stdout=stdout,
            stderr=stderr,
            text=True,
            errors="replace",
            start_new_session=True,
            preexec_fn=functools.partial(die_with_parent, signal.SIGTERM),
        )
        if received:  # while it was being started
            process.terminate()
        yield ChildProcess(process, received)
    finally:
        if process is not None:
            if process.poll() is None:
                process.terminate()
            process.wait()
        for number, handler in before.items():
            signal.signal(number, handler)
