"""Runs the load generator in a process of its own, with jobs and results as lines of JSON."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Coroutine
from dataclasses import asdict
from functools import cache
from types import TracebackType
from typing import Any, Self

import uvloop

from bench.serving.load import Samples, Spacing, Target, closed_loop, open_loop
from container.processes import die_with_parent


class LoadProcess:
    """The load generator's process; it takes one job at a time."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.serving.load_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=die_with_parent,
        )

    def closed(self, target: Target, *, concurrency: int, warm_s: float, seconds: float) -> Samples:
        """Run `closed_loop`."""
        return self._do("closed", target, concurrency=concurrency, warm_s=warm_s, seconds=seconds)

    def open(
        self,
        target: Target,
        *,
        rate: float,
        warm_s: float,
        seconds: float,
        spacing: Spacing = "even",
        while_there: str | None = None,
    ) -> Samples:
        """Run `open_loop`."""
        return self._do(
            "open", target, rate=rate, warm_s=warm_s, seconds=seconds, spacing=spacing, while_there=while_there
        )

    def _do(self, kind: str, target: Target, **how: Any) -> Samples:
        if self._process.stdin is None or self._process.stdout is None:
            raise ValueError("the process has no pipes")
        self._process.stdin.write(json.dumps({"kind": kind, "target": asdict(target), "how": how}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            sys.exit("the load generator exited; see above")
        return Samples(**json.loads(line))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.stdin:
            self._process.stdin.close()
        self._process.wait()


def main() -> None:
    """Take jobs until standard input ends."""
    loops: dict[str, Callable[..., Coroutine[Any, Any, Samples]]] = {"closed": closed_loop, "open": open_loop}

    @cache
    def requests(target: str) -> list[bytes]:
        return Target(**json.loads(target)).requests()

    # Not sys.stdout: under PYTHONUNBUFFERED, the rest of a partial write to a pipe is lost.
    answers = os.fdopen(sys.stdout.fileno(), "wb", closefd=False)
    for line in sys.stdin:
        job = json.loads(line)
        made = requests(json.dumps(job["target"]))
        samples = uvloop.run(loops[job["kind"]](job["target"]["port"], made, **job["how"]))
        answers.write(json.dumps(asdict(samples)).encode() + b"\n")
        answers.flush()


if __name__ == "__main__":
    main()
