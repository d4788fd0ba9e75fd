"""CPUBottleneck and IOBottleneck: a CPU core is busy, or waits for the disk, while a GPU has nothing to do."""

from dataclasses import dataclass, replace

import numpy as np

from container.page.charts import figure, limit, line
from container.report.analyses.advice import more_workers
from container.report.analyses.finding import NO_GPU, NO_SAMPLES, Advice, Chart, Finding, Rule
from container.report.analyses.reading import DISK, DiskWait, disk_wait
from container.report.analyses.samples import LEAST, SKIPPED, minutes, nodes, together
from container.report.profile_record import Profile

THRESHOLD = 50
"""Percent of the samples."""

IDLE = 10
"""Percent of utilization below which a GPU is idle."""


@dataclass(frozen=True, kw_only=True)
class _Metric:
    """A metric of the CPU cores."""

    dimension: str
    name: str
    limit: float
    """Percent above which it is high."""


_BUSY = _Metric(dimension="CPUUtilization", name="busiest CPU core", limit=90)
_IO_WAIT = _Metric(dimension="I/OWaitPercentage", name="longest I/O wait of a core", limit=50)


def cpu_bottleneck(profile: Profile) -> Finding:
    """Judge by SageMaker's defaults: 50 % of the samples with a GPU below 10 % and a core above 90 %."""
    rule = _rule("CPUBottleneck", "How often is a GPU idle while a CPU core is busy?", _BUSY, profile)
    return _judge(profile, rule, _BUSY) if profile.has_gpu else rule.no_data(NO_GPU)


def io_bottleneck(profile: Profile) -> Finding:
    """Judge by SageMaker's defaults: 50 % of the samples with a GPU below 10 % and a core's I/O wait above 50 %.

    Without a GPU, only the I/O wait counts. Ours: the job's own readers wait for the disk, and the loop for them.
    """
    rule = _rule("IOBottleneck", "How often does the job wait for the disk instead of computing?", _IO_WAIT, profile)
    rule = replace(rule, threshold=f"{rule.threshold}; or reading that waits for it over {DISK} % of its time (ours)")
    return _judge(profile, rule, _IO_WAIT, disk_wait(profile))


def _rule(name: str, question: str, metric: _Metric, profile: Profile) -> Rule:
    threshold = f"more than {THRESHOLD} % of the samples with {metric.name} above {metric.limit:.0f} %"
    return Rule(name, question, threshold + (f" and a GPU below {IDLE} %" if profile.has_gpu else ""))


def _judge(profile: Profile, rule: Rule, metric: _Metric, disk: DiskWait | None = None) -> Finding:
    """Count the samples at which any core's metric is high and any GPU of that host is idle.

    Args:
        disk: The readers' waits for the disk, for which the rule fires too.
    """
    cores = profile.in_training("cpu", metric.dimension)
    gpus = profile.in_training("gpu", "GPUUtilization")
    bad, idle, total = 0, 0, 0
    traces = []
    for number, node in enumerate(nodes(cores)):
        of_node = [series for series in cores if series.node == node]
        gpus_of_node = [series for series in gpus if series.node == node]
        clock, values = together([*gpus_of_node, *of_node])
        busiest = values[len(gpus_of_node) :].max(axis=0)
        waiting = (values[: len(gpus_of_node)] < IDLE).any(axis=0) if gpus_of_node else np.ones(len(clock), dtype=bool)
        bad += int(((busiest > metric.limit) & waiting).sum())
        idle += int(waiting.sum()) if gpus_of_node else 0
        total += len(clock)
        traces.append(line(number, f"{node}, {metric.name}", minutes(profile, clock), busiest, "%"))
    if total < LEAST:
        return rule.no_data(NO_SAMPLES if not total else f"only {total} samples were taken while it trained")
    share = 100 * bad / total
    fired = share > THRESHOLD or (disk is not None and disk.decides)
    ends = [traces[0]["x"][0], traces[0]["x"][-1]]
    drawn = figure(
        [*traces, limit("threshold", metric.limit, *ends)], "minutes", f"{metric.name}, %", yaxis={"range": [0, 102]}
    )
    rule = replace(rule, threshold=f"{rule.threshold}; {SKIPPED}")
    return rule.judged(
        fired,
        f"{share:.1f} % of {total:,} samples"
        + (f"; reading waited for the disk {100 * disk.share:.0f} % of its time" if disk else ""),
        advice=_advice(profile, metric, disk) if fired else (),
        charts=[Chart(name="samples", figure=drawn, description=f"Line: {metric.name}; dashed: the threshold.")],
        details={"samples with an idle GPU": f"{idle:,}"} if profile.has_gpu else {},
    )


def _advice(profile: Profile, metric: _Metric, disk: DiskWait | None) -> list[Advice]:
    advice = []
    decides = disk is not None and disk.decides
    if not decides and profile.first is not None and profile.first.usual.share("data") > 0.02:
        advice.append(more_workers(profile, profile.first.usual))
    if metric is _IO_WAIT:
        gain = disk.times_as_fast if disk is not None and decides else 1.0
        advice.append(
            Advice(
                text="the disk is slow: train with the whole data on the volume (input mode File), pack small pictures "
                "by storing them smaller, or choose an instance type with local NVMe (ml.g4dn, ml.g5)"
                + (f"; at best {gain:.2f} times as fast" if gain > 1 else ""),
                times_as_fast=gain,
            )
        )
    elif "more vCPUs" not in " ".join(each.text for each in advice):
        advice.append(
            Advice(
                text="the CPUs cannot prepare pictures as fast as the GPU takes them: choose an instance type with "
                "more vCPUs for each GPU, store the pictures smaller, or set augmentation=light"
            )
        )
    return advice
