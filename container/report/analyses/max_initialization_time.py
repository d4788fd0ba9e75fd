"""MaxInitializationTime: how long the job took to its first step."""

from container.report.analyses.finding import Advice, Finding
from container.report.profile_record import Profile

THRESHOLD_MIN = 20
"""SageMaker's."""


def analyse(profile: Profile) -> Finding:
    """From the start of the training program to the first step."""
    question = "How long does the job take to its first step?"
    threshold = f"more than {THRESHOLD_MIN} minutes (SageMaker's)"
    if not profile.own and not profile.steps:
        return Finding(
            rule="MaxInitializationTime",
            question=question,
            status="no data",
            measured="without steps it cannot be told when the first one was",
            threshold=threshold,
        )
    seconds = profile.training_started - profile.started
    whole = profile.ended - profile.started
    fired = seconds > 60 * THRESHOLD_MIN
    gain = whole / (whole - seconds) if whole > seconds else 1.0
    advice = Advice(
        text=f"the start is {100 * seconds / whole:.0f} % of the job: give the data as fewer, smaller pictures (each "
        "one is read once to find unreadable files), choose input mode FastFile, put pretrained weights into the "
        f"weights channel or the image, and set compile=false for short jobs; at best {gain:.2f} times as fast",
        times_as_fast=gain,
    )
    return Finding(
        rule="MaxInitializationTime",
        question=question,
        status="fired" if fired else "passed",
        measured=f"{seconds / 60:.1f} minutes",
        threshold=threshold,
        advice=[advice] if fired else (),
    )
