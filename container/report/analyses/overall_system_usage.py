"""OverallSystemUsage: percentiles of the hardware's use on each host. It judges nothing, as SageMaker's does."""

import numpy as np

from container.report.analyses.finding import NO_SAMPLES, Finding, Table
from container.report.analyses.samples import nodes, together
from container.report.profile_record import Profile, Series

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


def analyse(profile: Profile) -> Finding:
    """Means over the devices of a host, at every sample of the whole job."""
    rows = []
    for title, kind, dimension, name in _FIGURES:
        series = [each for each in profile.select(kind, dimension, name) if len(each)]
        for node in nodes(series):
            rows.append([f"{title}, {node}", *_row([each for each in series if each.node == node], title)])
    return Finding(
        rule="OverallSystemUsage",
        question="How much was the hardware used, all in all?",
        status="information" if rows else "no data",
        measured=f"{len(rows)} figures" if rows else NO_SAMPLES,
        threshold="none: it does not fire",
        tables=[Table(name="Use of each host", head=["", "max", "p99", "p95", "p50", "min"], rows=rows)]
        if rows
        else (),
    )


def _row(series: list[Series], title: str) -> list[str]:
    _, values = together(series)
    means = values.mean(axis=0) / (1e6 if title.endswith("MB/s") else 1)
    figures = (means.max(), *np.percentile(means, [99, 95, 50]), means.min())
    return [f"{figure:,.1f}" for figure in figures]
