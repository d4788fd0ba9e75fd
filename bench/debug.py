"""Measures what the profiler and the debugger's hook cost: step times as ratios to those without either.

    python -m bench.debug [--json FILE]

Everything runs once in each round, so that the machine's drift cancels; a ratio is the median over the rounds. The
hook's time includes its writing, on CPUs that training needs too; for the interval of 100 steps it is computed from a
run that saves its first step and one that saves none. smdebug's own hook trains the same network in its own
environment (docker/venv.sh smdebug); its ratio is to steps without it there.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.telling import tell


def main(arguments: Sequence[str] | None = None) -> None:
    given = _parse(arguments)
    import torch

    from bench.debug_results import results, table
    from bench.debug_runs import Runs
    from bench.machine import describe
    from bench.rounds import measure
    from bench.smdebug_process import PYTHON, SmdebugProcess
    from bench.workload import Workload

    on_gpu = torch.cuda.is_available()
    workload = Workload(
        model=given.model or ("resnet50" if on_gpu else "resnet18"),
        image_size=given.image_size or (224 if on_gpu else 64),
        batch_size=given.batch_size or (64 if on_gpu else 16),
    )
    if not PYTHON.is_file():
        sys.exit("bench.debug compares with smdebug: create its environment with docker/venv.sh smdebug")
    with tempfile.TemporaryDirectory(prefix="slipway-bench-", dir=given.directory) as scratch:
        runs = Runs(workload, Path(scratch), steps=given.steps, saving_steps=given.saving_steps)
        with SmdebugProcess(workload, Path(scratch), steps=given.saving_steps) as smdebug:
            seconds = measure(
                {
                    "neither": runs.neither,
                    "profiler": runs.profiler,
                    "hook_off": runs.hook_off,
                    "hook_default": runs.hook_default,
                    "hook_between_saves": runs.hook_between_saves,
                    "hook_all_1": runs.hook_all,
                    "smdebug_neither": lambda: smdebug.run("neither"),
                    "smdebug_all_1": lambda: smdebug.run("all"),
                },
                given.rounds,
                tell,
            )
        device = describe(runs.training.device.torch_device)
    result: dict[str, Any] = {
        "device": device,
        **vars(workload),
        "rounds": given.rounds,
        **results(seconds, steps=given.steps),
    }
    print(table(result))
    if given.json:
        given.json.write_text(json.dumps(result, indent=2) + "\n")


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.debug", description="Measure what the profiler and the debugger's hook cost, in ratios."
    )
    parser.add_argument("--model", help="default: resnet50 on a GPU, else resnet18")
    parser.add_argument("--image-size", type=int, metavar="PIXELS", help="default: 224 on a GPU, else 64")
    parser.add_argument("--batch-size", type=int, metavar="N", help="default: 64 on a GPU, else 16")
    parser.add_argument("--rounds", type=int, default=10, metavar="N", help="default: %(default)s")
    parser.add_argument(
        "--steps",
        type=int,
        choices=range(1, 101),
        default=20,
        metavar="N",
        help="steps of a run that saves once or never, at most 100; default: %(default)s",
    )
    parser.add_argument(
        "--saving-steps",
        type=int,
        default=10,
        metavar="N",
        help="steps of a run that always saves; default: %(default)s",
    )
    parser.add_argument("--directory", type=Path, help="for temporary files; default: the system's")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the results to this file")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
