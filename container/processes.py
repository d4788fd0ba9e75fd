"""Starts, watches and kills processes on Linux, so that none is left behind."""

import contextlib
import ctypes
import os
import select
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

# <linux/prctl.h>
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36

_libc = ctypes.CDLL(None, use_errno=True)


def adopt_orphans() -> None:
    """Make this process, instead of init, the parent of descendants whose own parent exits (see prctl(2))."""
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def die_with_parent(number: int = signal.SIGKILL) -> None:
    """Request a signal for when the thread that started this process exits. Call it between fork and exec."""
    _libc.prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)


def is_alive(pid: int) -> bool:
    """Whether the process exists and has not exited; a zombie has."""
    return _stat(pid)[:1] not in (["Z"], ["X"], [])


def children(pid: int) -> list[int]:
    """Return the process ids of the direct children, zombies included."""
    lists = list(Path(f"/proc/{pid}/task").glob("*/children"))
    if lists:
        return [int(child) for path in lists for child in _read(path).split()]
    # The kernel has no such lists.
    everyone = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [other for other in everyone if _stat(other)[1:2] == [str(pid)]]


def descendants(pid: int) -> list[int]:
    """Return the process ids of children, their children and so on; parents come first."""
    found = children(pid)
    for child in found:
        found += children(child)
    return found


def reap(pid: int) -> bool:
    """Reap a child if it has exited; False if it is alive, or not a child of this process."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return False


def wait_as_init(pid: int) -> None:
    """Wait until a child exits, without reaping it; meanwhile reap every other child that exits.

    With `adopt_orphans`, this keeps orphaned descendants from piling up as zombies.
    """
    while (ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)) and ended.si_pid != pid:
        reap(ended.si_pid)


def kill_group(pid: int) -> None:
    """Kill a process group by its leader's id, even if the leader has exited."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def kill_tree() -> None:
    """Kill every descendant of this process, without waiting."""
    for pid in descendants(os.getpid()):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def kill_descendants(timeout_s: float = 5.0) -> None:
    """Kill the children of this process, and with `adopt_orphans` all descendants, until none is left."""
    give_up = time.monotonic() + timeout_s
    while (pids := children(os.getpid())) and time.monotonic() < give_up:
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
            reap(pid)
        time.sleep(0.01)


def when_ended(pid: int, then: Callable[[], None]) -> None:
    """Call `then` in a thread once another process has exited."""

    def wait() -> None:
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            descriptor = None
        except OSError:
            # The kernel or a sandbox has no pidfd_open.
            while is_alive(pid):
                time.sleep(1)
            descriptor = None
        if descriptor is not None:
            poll = select.poll()
            poll.register(descriptor, select.POLLIN)
            poll.poll()
            os.close(descriptor)
        then()

    threading.Thread(target=wait, name="when-ended", daemon=True).start()


def _stat(pid: int) -> list[str]:
    """Read the fields of /proc/PID/stat from the state on; empty if there is no such process."""
    # The name before them may contain spaces and parentheses.
    return _read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
