"""Runs a child process in the foreground: forwards signals to it, and waits for it to exit."""

import functools
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import IO


@dataclass(frozen=True)
class ChildProcess:
    """A running child process."""

    process: subprocess.Popen[str]
    received: list[int]
    """Signals that this process has received; each was forwarded as SIGTERM."""

    @property
    def stdout(self) -> IO[str]:
        """The child's standard output, if it is a pipe."""
        assert self.process.stdout is not None
        return self.process.stdout

    @property
    def stderr(self) -> IO[str]:
        """The child's standard error, if it is a pipe."""
        assert self.process.stderr is not None
        return self.process.stderr

    def wait(self) -> int:
        """Wait for the child to exit; return its exit code, 128 + n if signal n killed it."""
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
    """Run a command, forwarding SIGINT, SIGTERM and SIGHUP to it as SIGTERM.

    Leaving the body waits for the child, after stopping it if there was an error. The child also gets SIGTERM when
    this process is killed.

    Args:
        command: Program and arguments.
        environment: The child's whole environment.
        stdout: As for subprocess.Popen; a PIPE is read through `ChildProcess.stdout`.
        stderr: As for stdout.
    """
    from container.processes import die_with_parent  # which Windows lacks, as it does SIGHUP

    received: list[int] = []
    process: subprocess.Popen[str] | None = None

    def forward(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        if process is not None:
            process.terminate()

    before = {number: signal.signal(number, forward) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        # A session of its own, so that Ctrl-C on the terminal reaches the child once, as the forwarded SIGTERM.
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
