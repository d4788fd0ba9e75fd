"""Dataloader: are there enough reading processes for the CPUs, and does training wait for them?"""

import numpy as np

from container.report.analyses.finding import NO_STEPS, Chart, Finding
from container.report.analyses.levers import more_workers
from container.report.charts import figure, limit, line
from container.report.profile_record import Profile

WAITING = 10
"""Percent of the loop; ours: what matters is not how many readers there are but whether they keep up."""

LEAST_READERS, MOST_READERS = 70, 200
"""Percent of the CPUs, SageMaker's."""


def analyse(profile: Profile) -> Finding:
    """SageMaker compares the number of readers with the CPUs; where the steps were recorded, waiting decides."""
    question = "Does training wait for the processes that read and prepare the pictures?"
    threshold = (
        f"waiting for data more than {WAITING} % of the loop (SageMaker's rule: readers outside {LEAST_READERS} to "
        f"{MOST_READERS} % of the CPUs)"
    )
    steps = profile.first
    if steps is None or not steps.phases:
        return Finding(rule="Dataloader", question=question, status="no data", measured=NO_STEPS, threshold=threshold)
    usual = steps.usual
    share = 100 * usual.share("data")
    fired = share > WAITING
    details: dict[str, str] = {}
    if profile.cpus:
        details["readers"] = (
            f"{profile.workers} on {profile.cpus} CPUs of a process ({100 * profile.workers / profile.cpus:.0f} %)"
        )
    if usual is not steps:
        begun = steps.wall[steps.first_of_epoch]
        details["first step of an epoch, which waits for the readers to start"] = f"{float(np.median(begun)):.2f} s"
    per_step = line(0, "waiting for data", steps.step, 1000 * steps.phase("data"), "ms")
    whole = line(4, "step", steps.step, 1000 * steps.wall, "ms", line={"width": 1})
    mean = 1000 * float(steps.wall.mean()) * WAITING / 100
    drawn = figure(
        [whole, per_step, limit("threshold", mean, float(steps.step[0]), float(steps.step[-1]))], "step", "ms"
    )
    return Finding(
        rule="Dataloader",
        question=question,
        status="fired" if fired else "passed",
        measured=f"{share:.1f} % of the time of the steps, without the first of each epoch",
        threshold=threshold,
        advice=[more_workers(profile, usual)] if fired else (),
        charts=[
            Chart(
                name="waiting",
                figure=drawn,
                description="Lines: time of each step, and waiting for data in it; dashed: the threshold.",
            )
        ],
        details=details,
    )
