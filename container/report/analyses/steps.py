"""Dataloader and StepOutlier: steps that wait for data, and steps that take far longer than the others."""

import numpy as np

from container.page.charts import figure, limit, line
from container.report.analyses.advice import more_workers
from container.report.analyses.finding import NO_STEPS, Advice, Chart, Finding, Rule, Table
from container.report.analyses.machine import cpu_quota, cpu_steal, other_programs
from container.report.analyses.reading import disk_wait
from container.report.profile_record import Profile, Steps

WAITING = 10
"""Percent of the loop; ours: not the number of workers matters, but whether they keep up."""

LEAST_READERS, MOST_READERS = 70, 200
"""Percent of the CPUs, SageMaker's."""

DEVIATIONS = 3
OUTLIERS = 10
"""SageMaker's."""

OUTLIER_TIME = 10
"""Percent of the loop, ours: a single step that takes half the job counts too."""

LEAST_STEPS = 20
_SHOWN = 20

_CAUSES = {
    "data": "the DataLoader workers fell behind: raise num-workers, or use a faster volume",
    "debugger": "tensors were saved in those steps: raise the save interval of the debug hook",
    "copy": "the transfer to the GPU was blocked",
    "optimizer": "the host was busy with something else",
    "other": "something else ran at those times: logging, wandb, or another program on the host",
}


_DATALOADER = Rule(
    "Dataloader",
    "Does training wait for the DataLoader workers, which read and prepare the pictures?",
    f"waiting for data more than {WAITING} % of the loop (SageMaker's rule: workers outside {LEAST_READERS} to "
    f"{MOST_READERS} % of the CPUs)",
)
_STEP_OUTLIER = Rule(
    "StepOutlier",
    "Do some steps take far longer than the others?",
    f"more than {OUTLIERS} steps over {DEVIATIONS} standard deviations above the mean (SageMaker's), or such steps "
    f"taking more than {OUTLIER_TIME} % of the loop",
)


def dataloader(profile: Profile) -> Finding:
    """Judge how long the steps wait for data; SageMaker compares the number of workers with the CPUs."""
    steps = profile.first
    if steps is None or not steps.phases:
        return _DATALOADER.no_data(NO_STEPS)
    usual = steps.usual
    share = 100 * usual.share("data")
    fired = share > WAITING
    details: dict[str, str] = {}
    if profile.cpus:
        details["DataLoader workers"] = (
            f"{profile.workers} on {profile.cpus} CPUs of a process ({100 * profile.workers / profile.cpus:.0f} %)"
        )
    if usual is not steps:
        begun = steps.wall[steps.first_of_epoch]
        details["first step of an epoch, which waits for the workers to start"] = f"{float(np.median(begun)):.2f} s"
    per_step = line(0, "waiting for data", steps.step, 1000 * steps.phase("data"), "ms")
    whole = line(4, "step", steps.step, 1000 * steps.wall, "ms", line={"width": 1})
    mean = 1000 * float(steps.wall.mean()) * WAITING / 100
    drawn = figure(
        [whole, per_step, limit("threshold", mean, float(steps.step[0]), float(steps.step[-1]))], "step", "ms"
    )
    return _DATALOADER.judged(
        fired,
        f"{share:.1f} % of the steps' time, without the first step of each epoch",
        advice=[_faster_reading(profile, usual)] if fired else (),
        charts=[
            Chart(
                name="waiting",
                figure=drawn,
                description="Lines: time of each step, and waiting for data in it; dashed: the threshold.",
            )
        ],
        details=details,
    )


def _faster_reading(profile: Profile, steps: Steps) -> Advice:
    disk = disk_wait(profile)
    if disk is not None and disk.decides:
        return Advice(text="the readers wait for the disk, which more of them would share: see IOBottleneck")
    return more_workers(profile, steps)


def step_outlier(profile: Profile) -> Finding:
    """Judge how many steps of the first process are outliers, and how much time they take."""
    steps = profile.first
    if steps is None or (~steps.first_of_epoch).sum() < LEAST_STEPS:
        return _STEP_OUTLIER.no_data(NO_STEPS if steps is None else f"only {len(steps)} steps were recorded")
    found = outliers(steps)
    walls = steps.wall[~steps.first_of_epoch]
    excess = float((steps.wall[found] - np.median(walls)).sum())
    share = 100 * excess / steps.total_s
    fired = len(found) > OUTLIERS or share > OUTLIER_TIME
    return _STEP_OUTLIER.judged(
        fired,
        f"{len(found):,} of {len(steps):,} steps, {share:.1f} % of the loop",
        advice=(_held_up(profile) or _outlier_advice(steps, found, share)) if fired else (),
        details={
            "median step": f"{1000 * float(np.median(walls)):,.1f} ms",
            "threshold": f"{1000 * outlier_limit(walls):,.1f} ms",
        },
    )


def outliers(steps: Steps) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """Find the steps more than three standard deviations above the mean; returns indices, the longest first.

    The first step of each epoch does not count: it waits for the DataLoader workers to start.
    """
    usual = ~steps.first_of_epoch
    if usual.sum() < LEAST_STEPS:
        return np.zeros(0, dtype=np.int64)
    walls = steps.wall[usual]
    found = np.flatnonzero(usual & (steps.wall > outlier_limit(walls)))
    return found[np.argsort(-steps.wall[found], kind="stable")]


def outlier_limit(walls: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float:
    """Compute the duration above which a step is an outlier."""
    return float(walls.mean() + DEVIATIONS * walls.std())


def longest_phase(steps: Steps, index: int) -> str:
    """Find the phase with the largest excess over its median; empty if phases were not recorded."""
    if not steps.phases:
        return ""
    excess = {name: float(values[index] - np.median(values)) for name, values in steps.phases.items()}
    return max(excess, key=lambda name: excess[name])


def outlier_table(steps: Steps) -> Table:
    """Tabulate the longest outliers."""
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


def _held_up(profile: Profile) -> list[Advice]:
    """Point to what took the CPUs: then it depends on chance which steps and which phases are long."""
    causes = [
        finding.rule for finding in (other_programs(profile), cpu_quota(profile), cpu_steal(profile)) if finding.fired
    ]
    if not causes:
        return []
    return [Advice(text=f"the job had to wait for CPUs, which makes any phase of any step long: see {causes[0]}")]


def _outlier_advice(steps: Steps, found: np.ndarray[tuple[int, ...], np.dtype[np.int64]], share: float) -> list[Advice]:
    gain = 1 / (1 - min(0.99, share / 100))
    phases = [longest_phase(steps, index) for index in found.tolist()]
    main = max(set(phases), key=phases.count)
    cause = _CAUSES.get(main, f"{main} was long in them" if main else "")
    text = (
        f"{phases.count(main)} of {len(found)} long steps are long in {main}: {cause}"
        if main
        else "see the chart of the steps for when they ran, and what else ran then"
    )
    return [Advice(text=f"{text}; at best {gain:.2f} times as fast without them", times_as_fast=gain)]
