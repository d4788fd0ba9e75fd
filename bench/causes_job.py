"""One training job with planted faults, as a program: python -m bench.causes_job BASE SECONDS [PLANT …].

BASE has the form of /opt/ml. It trains until so many seconds have passed, and leaves its profile in BASE.
"""

import mmap
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

READ_BYTES = 6 << 20
"""What a slow disk makes of a picture."""

LATENCY_S = 0.02


def main(arguments: Sequence[str] | None = None) -> None:
    base, seconds, *plants = sys.argv[1:] if arguments is None else arguments
    os.environ["SAGEMAKER_BASE_DIR"] = base
    if group := os.environ.get("SLIPWAY_BENCH_CGROUP"):
        _enter(Path(group), Path(base))
    for plant in plants:
        PLANTS[plant](Path(base))
    _end_after(float(seconds))
    from container.train import program

    sys.exit(program.main())


def _enter(group: Path, base: Path) -> None:
    """Move into a cgroup, and read its counters as a container's."""
    from container.train.profiler import start
    from container.train.profiler.kernel_readings import KernelReadings

    (group / "cgroup.procs").write_text(str(os.getpid()))
    view = group
    if (group / "cpu.cfs_quota_us").exists():
        view = base / "cgroup"
        view.mkdir()
        (view / "cpu").symlink_to(group)
    start.KernelReadings = lambda: KernelReadings(view)  # type: ignore[assignment,misc,attr-defined]


def _end_after(seconds: float) -> None:
    """Ask the job to stop once its epoch has taken so long; it then leaves what it has, as on a spot instance."""
    from container.train.data.loading import EpochLoader

    batches = EpochLoader.batches

    def some(loader: EpochLoader, *given: Any) -> Any:
        timer = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGTERM))
        timer.daemon = True
        timer.start()
        yield from batches(loader, *given)

    EpochLoader.batches = some  # type: ignore[method-assign,assignment]


def _slow_disk(base: Path) -> None:
    """Read so much of an uncached file with each picture, past the page cache."""
    file = os.open(base / "disk", os.O_RDONLY | os.O_DIRECT)
    blocks = os.fstat(file).st_size // READ_BYTES
    state: dict[str, Any] = {"next": 0}

    def read() -> None:
        if state.get("pid") != os.getpid():  # a worker's own pages
            state.update(pid=os.getpid(), buffer=mmap.mmap(-1, READ_BYTES))
        os.preadv(file, [state["buffer"]], state["next"] % blocks * READ_BYTES)
        state["next"] += 1

    _before_each_picture(read)


def _slow_reader(base: Path) -> None:
    """Wait for each picture, as for a distant store."""
    _before_each_picture(lambda: time.sleep(LATENCY_S))


def _before_each_picture(act: Callable[[], None]) -> None:
    from container.train.data.dataset import TrainPictures

    read = TrainPictures.__getitem__

    def planted(pictures: TrainPictures, key: tuple[int, int]) -> Any:
        act()
        return read(pictures, key)

    TrainPictures.__getitem__ = planted  # type: ignore[method-assign]


PLANTS: Mapping[str, Callable[[Path], None]] = {"slow disk": _slow_disk, "slow reader": _slow_reader}


if __name__ == "__main__":
    main()
