"""What CPUBottleneck and IOBottleneck have in common: one figure is high while the GPU has nothing to do."""

from dataclasses import dataclass

import numpy as np

from container.report.analyses.finding import NO_GPU, NO_SAMPLES, Advice, Chart, Finding
from container.report.analyses.levers import more_workers
from container.report.analyses.samples import LEAST, SKIPPED, minutes, nodes, together
from container.report.charts import figure, limit, line
from container.report.profile_record import Profile

THRESHOLD = 50
"""Percent of the samples."""

IDLE = 10
"""Percent of utilization below which a GPU is idle."""


@dataclass(frozen=True, kw_only=True)
class Bottleneck:
    """Which figure is looked at."""

    rule: str
    question: str
    dimension: str
    name: str
    limit: float
    """Percent above which it is high."""
    without_gpu: bool = False
    """Whether it means anything on a job that has no GPU."""


def look(profile: Profile, what: Bottleneck) -> Finding:
    """Count the samples at which any core's figure is high and any GPU of that host is idle."""
    threshold = f"more than {THRESHOLD} % of the samples with {what.name} above {what.limit:.0f} %"
    threshold += f" and a GPU below {IDLE} %" if profile.has_gpu else ""

    def nothing(why: str) -> Finding:
        return Finding(rule=what.rule, question=what.question, status="no data", measured=why, threshold=threshold)

    if not profile.has_gpu and not what.without_gpu:
        return nothing(NO_GPU)
    cores = profile.in_training("cpu", what.dimension)
    gpus = profile.in_training("gpu", "GPUUtilization")
    bad, idle, total = 0, 0, 0
    traces = []
    for number, node in enumerate(nodes(cores)):
        of_node = [series for series in cores if series.node == node]
        gpus_of_node = [series for series in gpus if series.node == node]
        clock, values = together([*gpus_of_node, *of_node])
        busiest = values[len(gpus_of_node) :].max(axis=0)
        waiting = (values[: len(gpus_of_node)] < IDLE).any(axis=0) if gpus_of_node else np.ones(len(clock), dtype=bool)
        bad += int(((busiest > what.limit) & waiting).sum())
        idle += int(waiting.sum()) if gpus_of_node else 0
        total += len(clock)
        traces.append(line(number, f"{node}, {what.name}", minutes(profile, clock), busiest, "%"))
    if total < LEAST:
        return nothing(NO_SAMPLES if not total else f"only {total} samples were taken while it trained")
    share = 100 * bad / total
    fired = share > THRESHOLD
    ends = [traces[0]["x"][0], traces[0]["x"][-1]]
    drawn = figure(
        [*traces, limit("threshold", what.limit, *ends)], "minutes", f"{what.name}, %", yaxis={"range": [0, 102]}
    )
    return Finding(
        rule=what.rule,
        question=what.question,
        status="fired" if fired else "passed",
        measured=f"{share:.1f} % of {total:,} samples",
        threshold=f"{threshold}; {SKIPPED}",
        advice=_advice(profile, what) if fired else (),
        charts=[Chart(name="samples", figure=drawn, description=f"Line: {what.name}; dashed: the threshold.")],
        details={"samples with an idle GPU": f"{idle:,}"} if profile.has_gpu else {},
    )


def _advice(profile: Profile, what: Bottleneck) -> list[Advice]:
    advice = []
    if profile.first is not None and profile.first.usual.share("data") > 0.02:
        advice.append(more_workers(profile, profile.first.usual))
    if what.dimension == "I/OWaitPercentage":
        advice.append(
            Advice(
                text="the disk is slow: train with the whole data on the volume (input mode File), pack small pictures "
                "by storing them smaller, or choose an instance type with local NVMe (ml.g4dn, ml.g5)"
            )
        )
    else:
        advice.append(
            Advice(
                text="the CPUs cannot prepare pictures as fast as the GPU takes them: choose an instance type with "
                "more vCPUs for each GPU, store the pictures smaller, or set augmentation=light"
            )
        )
    return advice
