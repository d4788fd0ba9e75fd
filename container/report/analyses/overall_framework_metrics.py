"""OverallFrameworkMetrics: where the time of the training loop went. It judges nothing, as SageMaker's does."""

import numpy as np

from container.report.analyses.finding import NO_STEPS, Finding, Table
from container.report.profile_record import LOOP_SPANS, OTHER, PHASES, Profile


def analyse(profile: Profile) -> Finding:
    """Every phase of the first process's steps, and those between them."""
    question = "Where did the time of the training loop go?"
    steps = profile.first
    if steps is None:
        return Finding(
            rule="OverallFrameworkMetrics",
            question=question,
            status="no data",
            measured=NO_STEPS,
            threshold="none: it does not fire",
        )
    spent = loop_seconds(profile)
    whole = sum(spent.values())
    rows = []
    for name, seconds in spent.items():
        each = steps.phase(name) if name in steps.phases else steps.wall if name == "step" else None
        percentiles = (
            [f"{1000 * value:,.1f}" for value in np.percentile(each, [50, 95, 99])] if each is not None else []
        )
        rows.append([name, f"{seconds:,.2f}", f"{100 * seconds / whole:.1f}", *(percentiles or ["", "", ""])])
    return Finding(
        rule="OverallFrameworkMetrics",
        question=question,
        status="information",
        measured=f"{len(steps):,} steps, {whole:,.1f} s",
        threshold="none: it does not fire",
        tables=[
            Table(
                name="Phases of the training loop",
                head=["phase", "s", "%", "p50 of a step, ms", "p95, ms", "p99, ms"],
                rows=rows,
            )
        ],
    )


def loop_seconds(profile: Profile) -> dict[str, float]:
    """Seconds of each phase of the training loop, of the first process, without those that took none."""
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
