"""The analyses of a profile, under the names that SageMaker's ProfilerReport gives them; one file for each.

Thresholds are SageMaker's documented defaults (package smdebug-rulesconfig); where ours are added, the finding says so.
"""

from container.report.analyses import (
    batch_size,
    cpu_bottleneck,
    dataloader,
    gpu_memory_increase,
    io_bottleneck,
    load_balancing,
    low_gpu_utilization,
    max_initialization_time,
    overall_framework_metrics,
    overall_system_usage,
    step_outlier,
)
from container.report.analyses.finding import Finding
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
    """All findings; those that fired come first."""
    findings = [module.analyse(profile) for module in _ANALYSES]
    return sorted(findings, key=lambda finding: not finding.fired)


__all__ = ["Finding", "analyse"]
