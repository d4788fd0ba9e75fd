"""Runs one part of the measurements in a process of its own, so that a crash or a hang does not affect the others.

python -m bench.gpu.part NAME --file FILE --scratch DIR --device cuda|cpu --ends-at SECONDS [--quick]
"""

import argparse
import importlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.gpu.record import Record
from bench.gpu.sizes import FULL, QUICK, Sizes
from container.imports import uncollected


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of every part."""

    sizes: Sizes
    quick: bool
    on_gpu: bool
    scratch: Path
    """A temporary directory that the parts share, with the generated pictures."""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.gpu.part", description="Run one part of bench/gpu.sh.")
    parser.add_argument("name", help="a module of bench.gpu with a function `run`")
    parser.add_argument("--file", type=Path, required=True, help="file to add measurements to, as JSON lines")
    parser.add_argument("--scratch", type=Path, required=True)
    parser.add_argument("--device", choices=("cuda", "cpu"), required=True)
    parser.add_argument("--ends-at", type=float, required=True, help="time limit, by the machine's monotonic clock")
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args(arguments)
    options = Options(
        sizes=QUICK if given.quick else FULL,
        quick=given.quick,
        on_gpu=given.device == "cuda",
        scratch=given.scratch,
    )
    record = Record(given.file, ends_at=given.ends_at)
    with uncollected():
        part = importlib.import_module(f"bench.gpu.{given.name}")
    part.run(options, record)
    sys.exit(record.failed)


if __name__ == "__main__":
    main()
