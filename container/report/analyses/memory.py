"""GPUMemoryIncrease: memory of the GPUs, the host or the job's processes that grows as long as the job runs."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from container.page.charts import figure, line
from container.report.analyses.finding import NO_GPU, NO_SAMPLES, Advice, Chart, Finding, Rule
from container.report.analyses.machine import others_percent
from container.report.analyses.samples import minutes
from container.report.profile_record import Column, Profile, Series

INCREASE = 5
"""Percentage points, SageMaker's."""

WINDOW = 10
"""Samples in a moving average, SageMaker's."""

LEAST = 100
"""Samples needed to compare four parts of the time: lasting growth shows in all of them."""

PROCESS_PERCENT, PROCESS_BYTES = 25, 64 * 2**20
"""Growth of the job's processes at which the rule fires, ours: both must be exceeded."""


_RULE = Rule(
    "GPUMemoryIncrease",
    "Does memory grow as long as the job runs?",
    f"a moving average of {WINDOW} samples rises by more than {INCREASE} points (GPU and host memory, SageMaker's "
    f"threshold), or the job's processes by more than {PROCESS_PERCENT} % and {PROCESS_BYTES >> 20} MiB, and still "
    "rises at the end",
)


def gpu_memory_increase(profile: Profile) -> Finding:
    """Look for memory that only grows; growth in the first quarter of the training is normal."""
    gpu = profile.in_training("gpu", "GPUMemoryUtilization")
    host = profile.in_training("memory", name="MemoryUsedPercent")
    own = profile.in_training("memory", "MemoryUsedBytes")
    grown = [(series, rise) for series in [*gpu, *host, *own] if (rise := _rise(series)) is not None]
    if not grown:
        return _RULE.no_data("the training was too short for a trend" if gpu or host or own else NO_SAMPLES)
    leaking = [(series, rise) for series, rise in grown if _is_too_much(series, rise) and _is_the_jobs(profile, series)]
    most = max(leaking or grown, key=lambda entry: entry[1] / _scale(entry[0]))
    return _RULE.judged(
        bool(leaking),
        _words(*most) + ("" if profile.has_gpu else f"; {NO_GPU}"),
        advice=_advice(leaking),
        charts=_charts(profile, gpu, host, own),
        details={_title(series): _words(series, rise) for series, rise in grown},
    )


def _averages(series: Series) -> Column:
    """Compute the moving averages after the first quarter."""
    later = series.values[len(series) // 4 :]
    return np.convolve(later, np.full(WINDOW, 1 / WINDOW), mode="valid")


def _rise(series: Series) -> float | None:
    """Compute the rise from the first moving average to the last; 0 if it has ended, None with too few samples."""
    if len(series) < LEAST:
        return None
    averages = _averages(series)
    parts = [float(part.mean()) for part in np.array_split(averages, 4)]
    if any(later <= earlier for earlier, later in pairwise(parts)):
        return 0.0
    # A long start-up levels off; a leak does not.
    if parts[3] - parts[2] < 0.25 * (parts[1] - parts[0]):
        return 0.0
    return float(averages[-1] - averages[0])


def _is_too_much(series: Series, rise: float) -> bool:
    if series.dimension == "MemoryUsedBytes":
        return rise > PROCESS_BYTES and rise > PROCESS_PERCENT / 100 * float(_averages(series)[0])
    return rise > INCREASE


def _is_the_jobs(profile: Profile, series: Series) -> bool:
    """Whether the job's own processes explain at least half of what the host's memory grew; True if unknown."""
    theirs = others_percent(profile, series.node) if series.name == "MemoryUsedPercent" else None
    if theirs is None:
        return True
    grown = [float(part[-WINDOW:].mean() - part[:WINDOW].mean()) for part in (theirs, series.values)]
    return grown[0] < grown[1] / 2


def _scale(series: Series) -> float:
    return float(PROCESS_BYTES) if series.dimension == "MemoryUsedBytes" else float(INCREASE)


def _title(series: Series) -> str:
    if series.dimension == "MemoryUsedBytes":
        return f"memory of the job's processes, {series.node}"
    return f"memory of {series.name}, {series.node}" if series.kind == "gpu" else f"host memory, {series.node}"


def _words(series: Series, rise: float) -> str:
    if series.dimension == "MemoryUsedBytes":
        now = float(series.values[-1])
        return f"{_title(series)}: +{rise / 2**20:,.0f} MiB, to {now / 2**20:,.0f} MiB"
    return f"{_title(series)}: +{rise:.1f} points, to {float(series.values[-1]):.1f} %"


def _advice(leaking: Sequence[tuple[Series, float]]) -> list[Advice]:
    advice = []
    own = {series.node for series, _ in leaking if series.dimension == "MemoryUsedBytes"}
    for series, rise in leaking:
        if series.name == "MemoryUsedPercent" and series.node in own:
            continue  # the same growth
        rate = rise / (float(series.times[-1] - series.times[0]) * 0.75 / 60)
        if series.dimension == "MemoryUsedBytes":
            pace = f"{rate / 2**20:,.1f} MiB a minute"
        else:
            left = (100 - float(series.values[-1])) / rate
            pace = f"{rate:.2f} points a minute: it will be full in {left:,.0f} minutes"
        advice.append(Advice(text=f"the {_title(series)} grows by {pace}"))
    if any(series.kind == "gpu" for series, _ in leaking):
        advice.append(
            Advice(
                text="something keeps tensors of each step alive, such as losses that are summed with their graph: "
                "use loss.item() or loss.detach(); with debug=true, see that a collection does not keep tensors"
            )
        )
    if any(series.kind == "memory" for series, _ in leaking):
        advice.append(
            Advice(
                text="something on the host is never freed: lists that a script appends to in each step, or data that "
                "every DataLoader worker copies (lower num-workers to find out); checkpoint-every=1 limits what a "
                "killed job loses"
            )
        )
    return advice


def _charts(profile: Profile, *groups: Sequence[Series]) -> list[Chart]:
    titles = ("GPU memory, %", "host memory, %", "processes, MiB")
    charts = []
    for number, (series, title) in enumerate(zip(groups, titles, strict=True)):
        if not series:
            continue
        scale = 2**20 if series[0].dimension == "MemoryUsedBytes" else 1
        traces = [
            line(index, _title(each), minutes(profile, each.times), each.values / scale)
            for index, each in enumerate(series)
        ]
        charts.append(
            Chart(
                name=f"memory-{number}",
                figure=figure(traces, "minutes", title, height=260),
                description=f"Lines: {title}.",
                series=[_title(each) for each in series],
            )
        )
    return charts
