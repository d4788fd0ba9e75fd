"""The analyses of a profile, under the names that SageMaker's ProfilerReport gives them.

Thresholds are SageMaker's documented defaults (package smdebug-rulesconfig); where ours are added, the finding says so.
"""

from container.report.analyses.balance import load_balancing
from container.report.analyses.bottlenecks import cpu_bottleneck, io_bottleneck
from container.report.analyses.finding import Finding
from container.report.analyses.memory import gpu_memory_increase
from container.report.analyses.overall import (
    max_initialization_time,
    overall_framework_metrics,
    overall_system_usage,
)
from container.report.analyses.steps import dataloader, step_outlier
from container.report.analyses.utilization import batch_size, low_gpu_utilization
from container.report.profile_record import Profile

_ANALYSES = (
    low_gpu_utilization,
    batch_size,
    cpu_bottleneck,
    io_bottleneck,
    dataloader,
    gpu_memory_increase,
    step_outlier,
    load_balancing,
    max_initialization_time,
    overall_system_usage,
    overall_framework_metrics,
)


def analyse(profile: Profile) -> list[Finding]:
    """Run every analysis; the findings that fired come first."""
    findings = [analysis(profile) for analysis in _ANALYSES]
    return sorted(findings, key=lambda finding: not finding.fired)


__all__ = ["Finding", "analyse"]
