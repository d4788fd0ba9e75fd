"""How much CPU something takes, whichever of this program's processes takes it."""

from collections.abc import Callable

import psutil  # type: ignore[import-untyped]


def cpu_seconds_of(run: Callable[[], object]) -> float:
    """User and system time of this process and its descendants while `run` runs, in seconds.

    It is counted in hundredths of a second, and of processes that end meanwhile not at all.
    """
    before = _cpu_seconds()
    run()
    after = _cpu_seconds()
    return sum(seconds - before.get(process, 0.0) for process, seconds in after.items())


def _cpu_seconds() -> dict[psutil.Process, float]:
    this = psutil.Process()
    seconds = {}
    for process in (this, *this.children(recursive=True)):
        times = process.cpu_times()
        seconds[process] = float(times.user + times.system)
    return seconds
