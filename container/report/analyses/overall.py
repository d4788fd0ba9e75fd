"""MaxInitializationTime, OverallSystemUsage and OverallFrameworkMetrics: the job as a whole.

The last two judge nothing, as SageMaker's do.
"""

import numpy as np

from container.contract.step_phases import PHASES
from container.report.analyses.finding import NO_SAMPLES, NO_STEPS, Advice, Finding, Rule, Table
from container.report.analyses.samples import nodes, together
from container.report.profile_record import LOOP_SPANS, OTHER, Profile, Series

THRESHOLD_MIN = 20
"""SageMaker's."""

_MAX_INITIALIZATION_TIME = Rule(
    "MaxInitializationTime",
    "How long does the job take to its first step?",
    f"more than {THRESHOLD_MIN} minutes (SageMaker's)",
)
_OVERALL_SYSTEM_USAGE = Rule("OverallSystemUsage", "How much was the hardware used overall?")
_OVERALL_FRAMEWORK_METRICS = Rule("OverallFrameworkMetrics", "Where did the time of the training loop go?")

_FIGURES = (
    ("CPU, %", "cpu", "CPUUtilization", None),
    ("I/O wait, %", "cpu", "I/OWaitPercentage", None),
    ("GPU, %", "gpu", "GPUUtilization", None),
    ("GPU memory, %", "gpu", "GPUMemoryUtilization", None),
    ("GPU power, W", "gpu", "GPUPower", None),
    ("memory, %", "memory", None, "MemoryUsedPercent"),
    ("network in, MB/s", "network", "Algorithm", "ReceiveBytesPerSecond"),
    ("network out, MB/s", "network", "Algorithm", "TransmitBytesPerSecond"),
    ("disk read, MB/s", "i/o", None, "ReadThroughputInBytesPerSecond"),
    ("disk written, MB/s", "i/o", None, "WriteThroughputInBytesPerSecond"),
)


def max_initialization_time(profile: Profile) -> Finding:
    """Judge the time from the start of the training program to the first step."""
    if not profile.own and not profile.steps:
        return _MAX_INITIALIZATION_TIME.no_data("without recorded steps, the time of the first one is unknown")
    seconds = profile.training_started - profile.started
    whole = profile.ended - profile.started
    fired = seconds > 60 * THRESHOLD_MIN
    gain = whole / (whole - seconds) if whole > seconds else 1.0
    advice = Advice(
        text=f"the start is {100 * seconds / whole:.0f} % of the job: give the data as fewer, smaller pictures (each "
        "one is read once to find unreadable files), choose input mode FastFile, put pretrained weights into the "
        f"weights channel or the image, and set compile=false for short jobs; at best {gain:.2f} times as fast",
        times_as_fast=gain,
    )
    return _MAX_INITIALIZATION_TIME.judged(fired, f"{seconds / 60:.1f} minutes", advice=[advice] if fired else ())


def overall_system_usage(profile: Profile) -> Finding:
    """Tabulate percentiles of the mean over a host's devices, over the whole job."""
    rows = []
    for title, kind, dimension, name in _FIGURES:
        series = [each for each in profile.select(kind, dimension, name) if len(each)]
        for node in nodes(series):
            rows.append([f"{title}, {node}", *_row([each for each in series if each.node == node], title)])
    if not rows:
        return _OVERALL_SYSTEM_USAGE.no_data(NO_SAMPLES)
    table = Table(name="Use of each host", head=["", "max", "p99", "p95", "p50", "min"], rows=rows)
    return _OVERALL_SYSTEM_USAGE.finding("information", f"{len(rows)} figures", tables=[table])


def _row(series: list[Series], title: str) -> list[str]:
    _, values = together(series)
    means = values.mean(axis=0) / (1e6 if title.endswith("MB/s") else 1)
    figures = (means.max(), *np.percentile(means, [99, 95, 50]), means.min())
    return [f"{figure:,.1f}" for figure in figures]


def overall_framework_metrics(profile: Profile) -> Finding:
    """Tabulate the phases of the first process's steps, and those between epochs."""
    steps = profile.first
    if steps is None:
        return _OVERALL_FRAMEWORK_METRICS.no_data(NO_STEPS)
    spent = loop_seconds(profile)
    whole = sum(spent.values())
    rows = []
    for name, seconds in spent.items():
        each = steps.phase(name) if name in steps.phases else steps.wall if name == "step" else None
        percentiles = (
            [f"{1000 * value:,.1f}" for value in np.percentile(each, [50, 95, 99])] if each is not None else []
        )
        rows.append([name, f"{seconds:,.2f}", f"{100 * seconds / whole:.1f}", *(percentiles or ["", "", ""])])
    head = ["phase", "s", "%", "p50 of a step, ms", "p95, ms", "p99, ms"]
    table = Table(name="Phases of the training loop", head=head, rows=rows)
    return _OVERALL_FRAMEWORK_METRICS.finding("information", f"{len(steps):,} steps, {whole:,.1f} s", tables=[table])


def loop_seconds(profile: Profile) -> dict[str, float]:
    """Compute the seconds of each phase of the first process's training loop; omits phases that took none."""
    steps = profile.first
    spent: dict[str, float] = {}
    if steps is not None:
        spent = (
            {name: float(steps.phase(name).sum()) for name in (*PHASES, OTHER)}
            if steps.phases
            else {"step": steps.total_s}
        )
    for name in LOOP_SPANS:
        spent[name] = sum(span.seconds for span in profile.spans if span.name == name and span.start < profile.loop_end)
    return {name: seconds for name, seconds in spent.items() if seconds > 0}
