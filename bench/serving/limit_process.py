"""Runs our decoding and our engine in one process without HTTP: the limit for any server on the same cores.

Threads decode a batch while the one before is in the network.
"""

import json
import os
import subprocess
import sys
import time
from itertools import cycle, islice
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.serving.ours import worker_environment
from bench.serving.server import clean_environment
from bench.serving.workload import Workload
from container.processes import die_with_parent

# Batches handed over at once; nothing is decoded ahead between two hand-overs.
_BATCHES = 8


class LimitProcess:
    """The process: loads the model once, and is idle until asked to run."""

    def __init__(self, workload: Workload) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.serving.limit_process", *map(str, workload.pictures)],
            env=clean_environment(SAGEMAKER_BASE_DIR=str(workload.folder / "ours"), **worker_environment()),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=die_with_parent,
        )
        self._line()

    def seconds_per_picture(self, seconds: float) -> float:
        """Run for some seconds; returns seconds per picture."""
        if self._process.stdin is None:
            raise ValueError("the process has no pipes")
        self._process.stdin.write(f"{seconds}\n")
        self._process.stdin.flush()
        return float(self._line())

    def _line(self) -> str:
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            sys.exit("the process that decodes and computes without HTTP exited; see above")
        return str(json.loads(line))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.stdin:
            self._process.stdin.close()
        self._process.wait()


def main() -> None:
    """Print a line once loaded, then run for each number of seconds on standard input."""
    from bench.serving.functions import Functions

    bodies = cycle([Path(file).read_bytes() for file in sys.argv[1:]])
    functions = Functions(os.environ["SAGEMAKER_BASE_DIR"])
    at_once = _BATCHES * functions.batch_size
    functions.answer(list(islice(bodies, at_once)))
    print(0, flush=True)
    for line in sys.stdin:
        start = time.perf_counter()
        done = 0
        while time.perf_counter() - start < float(line):
            done += len(functions.answer(list(islice(bodies, at_once))))
        print((time.perf_counter() - start) / done, flush=True)


if __name__ == "__main__":
    main()
