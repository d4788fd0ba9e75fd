"""LoadBalancing: processes or GPUs that do more than the others and make them wait."""

import numpy as np

from container.page.charts import figure, line
from container.report.analyses.advice import more_workers
from container.report.analyses.finding import NO_SAMPLES, Advice, Chart, Finding, Rule, Table
from container.report.analyses.samples import LEAST, pooled
from container.report.profile_record import OTHER, Column, Profile, Series, Steps

DISTANCE = 0.5
"""Distance between the histograms of two GPUs' utilization, SageMaker's."""

STRAGGLING = 20
"""Percent by which a process's own work exceeds the others' median, ours."""

LEAST_STEPS = 20
"""Steps needed, without the first of each epoch."""

_BINS = np.linspace(0, 100, 11)


_RULE = Rule(
    "LoadBalancing",
    "Does one process or GPU make the others wait?",
    f"a process's own work more than {STRAGGLING} % above the median of the others, or histograms of two GPUs' "
    f"utilization more than {DISTANCE} apart (SageMaker's)",
)


def load_balancing(profile: Profile) -> Finding:
    """Compare the own work of each process with the others', and the GPUs' utilization as SageMaker does."""
    gpus = [series for series in profile.in_training("gpu", "GPUUtilization") if len(series) >= LEAST]
    works = own_work(profile)
    if len(works) < 2 and len(gpus) < 2:
        alone = len(profile.steps) < 2 and len(profile.processes) < 2
        short = "too few steps of several processes were recorded" if len(profile.steps) > 1 else NO_SAMPLES
        return _RULE.no_data("this job had one process" if alone else short)
    measured, details, advice, fired = [], {}, [], False
    if len(works) > 1:
        means = {rank: float(work.mean()) for rank, work in works.items()}
        slowest = max(means, key=lambda rank: means[rank])
        others = float(np.median([mean for rank, mean in means.items() if rank != slowest]))
        excess = 100 * (means[slowest] / others - 1) if others > 0 else 0.0
        measured.append(f"rank {slowest}: {excess:.0f} % more own work than the others")
        details = {f"own work of rank {rank}": f"{1000 * mean:,.1f} ms a step" for rank, mean in means.items()}
        if excess > STRAGGLING:
            fired = True
            advice = _straggler(profile, slowest, means[slowest] - others)
    if len(gpus) > 1:
        distance = max(_distance(one, other) for one in gpus for other in gpus)
        measured.append(f"GPU histograms at most {distance:.2f} apart")
        if distance > DISTANCE:
            fired = True
            advice.append(
                Advice(
                    text="the GPUs are not used equally: choose an instance type whose GPUs are all used, and give "
                    "every host the whole of each channel (FullyReplicated)"
                )
            )
    return _RULE.judged(
        fired,
        "; ".join(measured),
        advice=advice,
        charts=[*_work_chart(profile, works), *_gpu_chart(gpus)],
        details=details,
    )


def own_work(profile: Profile) -> dict[int, Column]:
    """Compute the seconds that each process worked in each step, by rank; empty with too few steps to compare.

    Backward does not count, since it ends when all processes have summed their gradients. Forward begins for all when
    the first process has sent its batch statistics; the time that the others wait for that is subtracted. The first
    step of an epoch does not count: the others wait in it until the first process has written the model.
    """
    found = [steps for steps in profile.steps if steps.phases]
    length = min((len(steps) for steps in found), default=0)
    usual = ~found[0].first_of_epoch[:length] if found else np.zeros(0, dtype=bool)
    if len(found) < 2 or usual.sum() < LEAST_STEPS:
        return {}
    arrival = {steps.rank: _before_forward(steps, "optimizer", "debugger", OTHER)[:length] for steps in found}
    works = {}
    for steps in found:
        forward = steps.phase("forward")[:length]
        waited = np.clip(arrival[found[0].rank] - arrival[steps.rank], 0, forward)
        works[steps.rank] = (_before_forward(steps, "optimizer", "debugger")[:length] + forward - waited)[usual]
    return works


def _before_forward(steps: Steps, *after_backward: str) -> Column:
    """Compute the seconds from the end of the previous backward to this forward."""
    after = sum((steps.phase(name) for name in after_backward), np.zeros_like(steps.wall))
    earlier = np.append(np.median(after), after[:-1])
    return np.asarray(steps.phase("data") + steps.phase("copy") + earlier, dtype=np.float64)


def rank_table(profile: Profile) -> Table:
    """Tabulate the mean step of each process, without the first step of each epoch."""
    works = own_work(profile)
    median = float(np.median([work.mean() for work in works.values()])) if works else 0.0
    places = {process.rank: process for process in profile.processes}
    rows = []
    for whole in profile.steps:
        steps = whole.usual
        place = places.get(steps.rank)
        work = float(works[steps.rank].mean()) if steps.rank in works else None
        rows.append(
            [
                f"{steps.rank}",
                f"{place.node}, {place.local_rank}" if place else "",
                f"{len(whole):,}",
                f"{steps.pictures.sum() / steps.total_s:,.1f}" if steps.total_s else "",
                *(f"{1000 * float(steps.phase(name).mean()):,.1f}" for name in ("data", "copy", "forward", "backward")),
                f"{1000 * float(steps.phase('optimizer').mean()):,.1f}",
                f"{1000 * float(steps.wall.mean()):,.1f}",
                f"{1000 * work:,.1f} ({100 * (work / median - 1):+.0f} %)" if work is not None and median else "",
            ]
        )
    head = ["rank", "host, device", "steps", "pictures/s", "data, ms", "copy, ms", "forward, ms", "backward, ms"]
    return Table(name="Processes", head=[*head, "optimizer, ms", "step, ms", "own work, ms"], rows=rows)


def _straggler(profile: Profile, rank: int, excess_s: float) -> list[Advice]:
    steps = next(steps.usual for steps in profile.steps if steps.rank == rank)
    wall = float(steps.wall.mean())
    gain = wall / max(wall - excess_s, 1e-9)
    place = next((f" on {process.node}" for process in profile.processes if process.rank == rank), "")
    others = [each.usual for each in profile.steps if each.rank != rank]

    def more(name: str) -> float:
        return float(steps.phase(name).mean() - np.median([each.phase(name).mean() for each in others]))

    longest = max(("data", "copy", "forward", "optimizer", "debugger"), key=more)
    advice = [
        Advice(
            text=f"rank {rank}{place} takes {1000 * excess_s:,.1f} ms a step longer than the others, most of it in "
            f"{longest}, and all wait for it: see what else runs on that host, and use instances of one type; at best "
            f"{gain:.2f} times as fast",
            times_as_fast=gain,
        )
    ]
    return [*advice, more_workers(profile, steps)] if longest == "data" else advice


def _distance(one: Series, other: Series) -> float:
    first, second = (np.histogram(np.clip(each.values, 0, 100), bins=_BINS)[0] / len(each) for each in (one, other))
    return float(np.abs(first - second).sum() / 2)


def _work_chart(profile: Profile, works: dict[int, Column]) -> list[Chart]:
    if not works:
        return []
    number_of_step = profile.steps[0].usual.step
    traces = [
        line(number, f"rank {rank}", number_of_step[: len(work)], 1000 * work, "ms")
        for number, (rank, work) in enumerate(works.items())
    ]
    return [
        Chart(
            name="own-work",
            figure=figure(traces, "step", "own work, ms"),
            description="Lines: own work of each process in each step. The table of processes has the means.",
            series=[f"rank {rank}" for rank in works],
        )
    ]


def _gpu_chart(gpus: list[Series]) -> list[Chart]:
    if len(gpus) < 2:
        return []
    traces = []
    for number, series in enumerate(gpus):
        counts = np.histogram(np.clip(pooled([series]), 0, 100), bins=_BINS)[0] / len(series)
        traces.append(line(number, f"{series.name}, {series.node}", _BINS[:-1] + 5, 100 * counts, "% of the samples"))
    return [
        Chart(
            name="histograms",
            figure=figure(traces, "GPU utilization, %", "samples, %"),
            description="Lines: how often each GPU was used how much.",
            series=[f"{series.name}, {series.node}" for series in gpus],
        )
    ]
