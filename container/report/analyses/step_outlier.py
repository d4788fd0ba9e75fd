"""StepOutlier: steps that took far longer than the others."""

import numpy as np

from container.report.analyses.finding import NO_STEPS, Advice, Finding, Table
from container.report.profile_record import Profile, Steps

DEVIATIONS = 3
OUTLIERS = 10
"""SageMaker's."""

TIME = 10
"""Percent of the loop, ours: one step that takes half the job is worth a word too."""

LEAST = 20
_SHOWN = 20

_CAUSES = {
    "data": "the readers fell behind: more num-workers, or a volume that reads faster",
    "debugger": "tensors were saved in those steps: a larger save interval of the debug hook",
    "copy": "the way to the GPU was blocked",
    "optimizer": "the host was busy with something else",
    "other": "something outside the step ran in those moments: logging, wandb, or another program on the host",
}


def outliers(steps: Steps) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """Indices of the steps that took longer than the mean by three standard deviations, the longest first.

    The first step of each epoch is left out: it waits for the readers to start.
    """
    usual = ~steps.first_of_epoch
    if usual.sum() < LEAST:
        return np.zeros(0, dtype=np.int64)
    walls = steps.wall[usual]
    found = np.flatnonzero(usual & (steps.wall > _limit(walls)))
    return found[np.argsort(-steps.wall[found], kind="stable")]


def _limit(walls: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float:
    return float(walls.mean() + DEVIATIONS * walls.std())


def longest_phase(steps: Steps, index: int) -> str:
    """The phase that was longer than usual by most; empty where phases were not recorded."""
    if not steps.phases:
        return ""
    excess = {name: float(values[index] - np.median(values)) for name, values in steps.phases.items()}
    return max(excess, key=lambda name: excess[name])


def analyse(profile: Profile) -> Finding:
    """Steps of the first process beyond the mean by three standard deviations."""
    question = "Do some steps take far longer than the others?"
    threshold = (
        f"more than {OUTLIERS} steps beyond the mean by {DEVIATIONS} standard deviations (SageMaker's), or such steps "
        f"taking more than {TIME} % of the loop"
    )
    steps = profile.first
    if steps is None or (~steps.first_of_epoch).sum() < LEAST:
        return Finding(
            rule="StepOutlier",
            question=question,
            status="no data",
            measured=NO_STEPS if steps is None else f"only {len(steps)} steps were recorded",
            threshold=threshold,
        )
    found = outliers(steps)
    walls = steps.wall[~steps.first_of_epoch]
    excess = float((steps.wall[found] - np.median(walls)).sum())
    share = 100 * excess / steps.total_s
    fired = len(found) > OUTLIERS or share > TIME
    return Finding(
        rule="StepOutlier",
        question=question,
        status="fired" if fired else "passed",
        measured=f"{len(found):,} of {len(steps):,} steps, {share:.1f} % of the loop",
        threshold=threshold,
        advice=_advice(steps, found, share) if fired else (),
        details={
            "median step": f"{1000 * float(np.median(walls)):,.1f} ms",
            "threshold": f"{1000 * _limit(walls):,.1f} ms",
        },
    )


def outlier_table(steps: Steps) -> Table:
    """The longest of the outliers, by name."""
    rows = [
        [
            f"{steps.step[index]:.0f}",
            f"{steps.epoch[index]:.0f}",
            f"{1000 * steps.wall[index]:,.1f}",
            longest_phase(steps, index) or "unknown",
        ]
        for index in outliers(steps)[:_SHOWN].tolist()
    ]
    return Table(name="Longest steps", head=["step", "epoch", "ms", "phase that was long"], rows=rows)


def _advice(steps: Steps, found: np.ndarray[tuple[int, ...], np.dtype[np.int64]], share: float) -> list[Advice]:
    gain = 1 / (1 - min(0.99, share / 100))
    phases = [longest_phase(steps, index) for index in found.tolist()]
    main = max(set(phases), key=phases.count)
    cause = _CAUSES.get(main, f"{main} was long in them" if main else "")
    text = (
        f"{phases.count(main)} of {len(found)} long steps are long in {main}: {cause}"
        if main
        else "see in the timeline when they were, and what else ran then"
    )
    return [Advice(text=f"{text}; at best {gain:.2f} times as fast without them", times_as_fast=gain)]
