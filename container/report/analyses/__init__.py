"""The analyses of a profile, most under the names that SageMaker's ProfilerReport gives them.

Thresholds are SageMaker's documented defaults (package smdebug-rulesconfig); where ours are added, the finding says so.
"""

from collections.abc import Sequence
from dataclasses import replace

from container.report.analyses.balance import load_balancing
from container.report.analyses.bottlenecks import cpu_bottleneck, io_bottleneck
from container.report.analyses.finding import Advice, Finding
from container.report.analyses.machine import cpu_quota, cpu_steal, host_memory, other_programs
from container.report.analyses.memory import gpu_memory_increase
from container.report.analyses.overall import (
    max_initialization_time,
    overall_framework_metrics,
    overall_system_usage,
)
from container.report.analyses.steps import dataloader, step_outlier
from container.report.analyses.utilization import batch_size, low_gpu_utilization
from container.report.profile_record import Profile

_MACHINE = (other_programs, cpu_quota, cpu_steal, host_memory)
"""What the job does not do itself; ours."""

_EFFECTS = ("LowGPUUtilization",)
"""What follows from others' causes, and comes after them."""

_ANALYSES = (
    dataloader,
    batch_size,
    io_bottleneck,
    cpu_bottleneck,
    low_gpu_utilization,
    gpu_memory_increase,
    step_outlier,
    load_balancing,
    max_initialization_time,
    overall_system_usage,
    overall_framework_metrics,
)


def analyse(profile: Profile) -> list[Finding]:
    """Run every analysis; what fired comes first: what the machine does to the job, then causes by gain.

    Nothing in a job's settings helps as long as the machine is not its own, and the other measurements are made while
    it is not.
    """
    findings = [(True, analysis(profile)) for analysis in _MACHINE]
    findings += [(False, analysis(profile)) for analysis in _ANALYSES]
    fired = [entry for entry in findings if entry[1].fired]
    fired.sort(key=lambda entry: (not (entry[0] and entry[1].gain > 1), entry[1].rule in _EFFECTS, -entry[1].gain))
    others = [finding for _, finding in findings if not finding.fired]
    return [*_without_repetition([finding for _, finding in fired]), *others]


def _without_repetition(findings: Sequence[Finding]) -> list[Finding]:
    """Replace advice that an earlier finding gives too by a reference to it."""
    given: dict[str, str] = {}
    found = []
    for finding in findings:
        repeated = [each for each in finding.advice if each.text in given]
        advice = [each for each in finding.advice if each.text not in given]
        if repeated:
            names = " and ".join(dict.fromkeys(given[each.text] for each in repeated))
            gain = max(each.times_as_fast for each in repeated)
            advice = [Advice(text=f"what to do about {names} helps here too", times_as_fast=gain), *advice]
        given |= {each.text: finding.rule for each in advice if each.text not in given}
        found.append(replace(finding, advice=advice))
    return found


__all__ = ["Finding", "analyse"]
