"""Advice on settings, with the gain of each computed from the recorded steps, and whether it is a bound."""

import math

from container.report.analyses.contention import contentions, free_cpus
from container.report.analyses.finding import Advice
from container.report.analyses.reading import readers_decide
from container.report.profile_record import OTHER, Profile, Steps

_WORTHWHILE = 1.05
"""Times as fast; below it, more workers are not advised."""


def more_workers(profile: Profile, steps: Steps) -> Advice:
    """Advise more DataLoader workers, where the loop waits for data.

    Where the loop waits, reading a batch takes as long as a step. More workers share that time; the rest of a step
    stays as long as it is.
    """
    share = steps.share("data")
    waiting = f"waiting for data is {100 * share:.0f} % of the loop"
    bound = 1 / max(1e-9, 1 - share)
    if not profile.own:
        return Advice(text=f"{waiting}: raise num-workers; at best {bound:.2f} times as fast", times_as_fast=bound)
    wall, waited = steps.total_s, steps.total_s * share
    busy = wall - waited
    now = profile.workers
    # Without workers, reading and computing alternate; with them, they overlap.
    reading = wall * now if now else waited
    enough = max(now + 1, math.ceil(reading / max(busy, 1e-9)))
    new = min(enough, profile.cpus)
    fastest = wall / max(busy, reading / max(new, 1), wall * _cpus_in_use(profile))
    if profile.cpus > now and fastest > _WORTHWHILE:
        return Advice(
            text=f"{waiting}: set num-workers={new} (now {now}); at best {fastest:.2f} times as fast",
            times_as_fast=fastest,
        )
    return Advice(
        text=f"{waiting}, with {now} DataLoader workers on {profile.cpus} CPUs, which give no more: choose an instance "
        "type with more vCPUs for each GPU, store the pictures smaller (training needs little more than "
        f"image-size={profile.setting('image-size')}), or set augmentation=light; at best {bound:.2f} times as fast",
        times_as_fast=bound,
    )


def _cpus_in_use(profile: Profile) -> float:
    """Compute the share of the CPUs left to it that the job uses: workers cannot make more of it; 0 if unknown."""
    free = free_cpus(profile)
    used = max((each.job for each in contentions(profile)), default=0.0)
    return min(1.0, used / free) if free else 0.0


def larger_batch(profile: Profile, steps: Steps) -> Advice:
    """Advise twice the batch size, which halves the work that each step does once, whatever its batch.

    Where the loop waits for DataLoader workers, these bring as many pictures as before: then nothing is promised.
    """
    share = once_a_step(profile, steps)
    gain = 1.0 if readers_decide(profile) else 1 / (1 - share / 2)
    now = f" (now {profile.batch_size})" if profile.batch_size else ""
    size = f"batch-size={2 * profile.batch_size}" if profile.batch_size else "twice the batch-size"
    if profile.step_seconds:
        times = " and ".join(f"{1000 * s:,.0f} ms with {count}" for count, s in sorted(profile.step_seconds.items()))
        text = f"a step takes {times} pictures, so {100 * share:.0f} % of the loop does not grow with the batch"
    else:
        text = (
            f"the optimizer and the loop's own work, which do not grow with the batch, are {100 * share:.0f} % of the "
            "loop"
        )
    bound = "about" if profile.step_seconds else "at least"
    promise = f"; {bound} {gain:.2f} times as fast" if gain > 1 else ", once the loop waits no longer for data"
    return Advice(text=f"{text}: set {size}{now}, and opt-learning-rate a little higher{promise}", times_as_fast=gain)


def once_a_step(profile: Profile, steps: Steps) -> float:
    """Compute the share of the loop in work that each step does once, whatever its batch.

    Forward, backward and the optimizer were timed before training with the batch and with twice as many pictures; what
    the second step does not take longer is done once. Where they were not timed, that of forward and backward is
    unknown and not counted.
    """
    if len(profile.step_seconds) != 2:
        return steps.share("optimizer", OTHER)
    single, double = (profile.step_seconds[pictures] for pictures in sorted(profile.step_seconds))
    once = min(1.0, max(0.0, 2 - double / max(single, 1e-9)))
    return once * steps.share("forward", "backward", "optimizer") + steps.share(OTHER)


def faster_kernels(profile: Profile, steps: Steps) -> list[Advice]:
    """Advise amp and compile, where they are off; they shorten forward and backward only."""
    computing = steps.share("forward", "backward")
    advice = []
    if profile.precision == "fp32" and profile.device == "cuda":
        gain = 1 / (1 - computing / 2)
        advice.append(
            Advice(
                text=f"forward and backward are {100 * computing:.0f} % of the loop, in fp32: set amp=auto; twice as "
                f"fast there would make the loop {gain:.2f} times as fast",
                times_as_fast=gain,
            )
        )
    if profile.setting("compile") == "false":
        gain = 1 / (1 - computing * 0.2)
        advice.append(
            Advice(
                text=f"set compile=true in a job of many epochs; a fifth less time in forward and backward would make "
                f"the loop {gain:.2f} times as fast",
                times_as_fast=gain,
            )
        )
    return advice


def best_first(advice: list[Advice]) -> list[Advice]:
    """Sort by gain."""
    return sorted(advice, key=lambda each: -each.times_as_fast)
