"""Measure and test everything on a GPU within a time limit: see `bench/gpu.sh --help`.

python -m bench.gpu OUT [--device cuda|cpu] [--quick] [--seconds N] [--only PART]
"""

import argparse
import math
import os
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from bench.gpu.parts import LOG, PARTS, run_part
from bench.gpu.record import read
from bench.gpu.summary import summary
from container import gpu
from container.contract.errors import DriverError
from container.processes import adopt_orphans

_ROOT = Path(__file__).parents[2]
_SUMMARY = "summary.md"
_PATIENCE = 3
"""Factor of a part's time limit with --quick, for slow machines."""
_LAST_S = 8.0
"""Seconds for stopping the last part and writing the summary."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the parts in order; returns 1 if anything failed."""
    given = _parse(arguments)
    ends_at = time.monotonic() + given.seconds - _LAST_S
    if given.device == "cuda":
        _need_a_gpu()
    else:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # otherwise torch.profiler reports a missing GPU as an error
    out: Path = given.out.absolute()
    os.chdir(_ROOT)
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name in (LOG, _SUMMARY, *(part.file for part in PARTS)):
            (out / name).unlink(missing_ok=True)
    except OSError as error:
        sys.exit(f"bench.gpu: cannot write to {out}: {error.strerror}")
    adopt_orphans()
    signal.signal(signal.SIGTERM, _end)
    signal.alarm(math.ceil(given.seconds))  # the last resort, if even stopping a part hangs
    problems: list[str] = []
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="slipway-gpu-", ignore_cleanup_errors=True) as scratch:
        try:
            for part in PARTS:
                if given.only and part.module not in given.only:
                    continue
                until = min(time.monotonic() + part.most_s * (_PATIENCE if given.quick else 1), ends_at)
                if until <= time.monotonic():
                    problems.append(f"{part.module}: not run, no time was left")
                    continue
                print(
                    f"\n== {part.number} of {len(PARTS)}: {part.module}, {until - time.monotonic():.0f} s at most",
                    flush=True,
                )
                began = time.monotonic()
                wrong = run_part(
                    part, out=out, scratch=Path(scratch), device=given.device, quick=given.quick, ends_at=until
                )
                print(f"== {part.module} took {time.monotonic() - began:.0f} s", flush=True)
                if wrong:
                    problems.append(f"{part.module}: {wrong}")
        finally:
            measurements = [measured for part in PARTS for measured in read(out / part.file)]
            heading = f"bench/gpu.sh, {datetime.now(UTC):%Y-%m-%d}, {time.monotonic() - started:.0f} s"
            text = summary(measurements, problems, heading=heading, quick=given.quick)
            (out / _SUMMARY).write_text(text)
            print(f"\n{text}", flush=True)
    return int(bool(problems))


def _need_a_gpu() -> None:
    try:
        found = gpu.look()
    except DriverError as error:
        sys.exit(f"bench.gpu: {error}")
    if not found.count:
        sys.exit(f"bench.gpu: there is no GPU ({found.text}); --device cpu --quick runs the same code without one")


def _end(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit("bench.gpu: stopped by SIGTERM; the measurements so far are in the files")


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench/gpu.sh", description="Measure and test everything on a GPU.")
    parser.add_argument("out", type=Path, metavar="OUT", help="directory for the results")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="default: %(default)s")
    parser.add_argument("--quick", action="store_true", help="measure as little as possible, only to see that it works")
    parser.add_argument("--seconds", type=float, default=535, metavar="N", help="time limit; default: %(default)s")
    names = [part.module for part in PARTS]
    parser.add_argument("--only", action="append", choices=names, metavar="PART", help=f"one of {', '.join(names)}")
    given = parser.parse_args(arguments)
    if given.device == "cpu" and not given.quick:
        parser.error("--device cpu needs --quick: the full measurements are sized for a GPU")
    return given


if __name__ == "__main__":
    sys.exit(main())
