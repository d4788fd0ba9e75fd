"""Measures what the profiler and the debugger's hook add to a step, as `bench.debug` does, in a job's own precision."""

import time

from bench.debug_results import results
from bench.debug_runs import Runs
from bench.gpu.part import Options
from bench.gpu.record import Record
from bench.rounds import measure
from bench.telling import tell
from bench.workload import Workload

_MOST_ROUNDS = 12


def run(options: Options, record: Record) -> None:
    """Run rounds until the time is over; the ratios so far are written after each."""
    sizes = options.sizes
    workload = Workload(
        model=sizes.model,
        image_size=sizes.image_size,
        batch_size=sizes.loader_batch,
        amp="auto" if options.on_gpu else "off",
    )
    steps, saving_steps = (2, 1) if options.quick else (20, 5)
    runs = Runs(workload, options.scratch / "overhead", steps=steps, saving_steps=saving_steps)
    sides = {
        "neither": runs.neither,
        "profiler": runs.profiler,
        "hook_off": runs.hook_off,
        "hook_default": runs.hook_default,
        "hook_between_saves": runs.hook_between_saves,
        "hook_all_1": runs.hook_all,
    }
    if not options.quick:
        measure(sides, 1, lambda _line: tell("warmed up"))
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    took_s = 0.0
    for number in range(1, (sizes.rounds if options.quick else _MOST_ROUNDS) + 1):
        if record.left_s < 1.2 * took_s:
            break
        start = time.perf_counter()
        for name, values in measure(sides, 1, lambda _line: None).items():
            seconds[name] += values
        took_s = time.perf_counter() - start
        record.add("overhead", **vars(workload), rounds=number, **results(seconds, steps=steps))
