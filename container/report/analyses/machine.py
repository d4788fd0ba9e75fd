"""OtherPrograms, CPUQuota, CPUSteal and HostMemory: what the job's own settings cannot change.

They are ours: on SageMaker a job has machines of its own; at a desk, in Kubernetes or on shared servers it has not.
"""

from collections.abc import Callable

from container.report.analyses.contention import Contention, contentions, samples
from container.report.analyses.finding import Advice, Finding, Rule
from container.report.analyses.samples import LEAST, nodes, on_clock
from container.report.profile_record import Column, Profile

LOST = 10
"""Percent of the time, ours."""

TAKEN = 5
"""Percentage points of the memory, as in GPUMemoryIncrease."""

FULL = 75
"""Percent of the memory, ours."""

_OTHER_PROGRAMS = Rule(
    "OtherPrograms",
    "Do other programs take the CPUs that the job needs?",
    f"more than {LOST} % of the time lost to them, by what the job's threads waited for a CPU",
)
_CPU_QUOTA = Rule(
    "CPUQuota",
    "Does the container's CPU limit slow the job?",
    f"more than {LOST} % of the time lost to it, by what the kernel counts as throttled",
)
_CPU_STEAL = Rule(
    "CPUSteal",
    "Does the hypervisor give the CPUs of this virtual machine to others?",
    f"more than {LOST} % of the CPU time that was wanted",
)
_HOST_MEMORY = Rule(
    "HostMemory",
    "Do other programs take the memory that the job may need?",
    f"theirs grew by more than {TAKEN} points, and over {FULL} % of all is in use; or programs waited for memory more "
    f"than {LOST} % of the time, and theirs grew",
)


def other_programs(profile: Profile) -> Finding:
    """Judge the time lost to other programs on the host where it is longest."""

    def words(worst: Contention) -> str:
        names = ", ".join(f"{name} {cpus:.1f}" for name, cpus in worst.programs)
        return f"they used {worst.others:.1f} CPUs, the job {worst.job:.1f}{f' (busiest: {names})' if names else ''}"

    return _judge(
        profile,
        _OTHER_PROGRAMS,
        lambda each: each.lost_to_others,
        words,
        "stop them, or give the job a machine of its own; until then, fewer threads than CPUs (OMP_NUM_THREADS) lose "
        "less, since all threads of an operation wait for the one that has no CPU",
        "Other programs took the CPUs",
    )


def cpu_quota(profile: Profile) -> Finding:
    """Judge the time lost to the container's CPU quota."""

    def words(worst: Contention) -> str:
        periods = worst.mean("cpu", "ThrottledPercentage", "kernel") or 0.0
        return f"used up in {100 * periods:.0f} % of the periods, with {worst.job:.1f} CPUs"

    return _judge(
        profile,
        _CPU_QUOTA,
        lambda each: each.lost_to_quota,
        words,
        "raise the container's limit (docker run --cpus, limits.cpu in Kubernetes), or set OMP_NUM_THREADS to no more "
        "CPUs than it allows",
        "The container's CPU limit slowed the job",
    )


def cpu_steal(profile: Profile) -> Finding:
    """Judge the CPU time that the hypervisor gave to other virtual machines."""
    return _judge(
        profile,
        _CPU_STEAL,
        lambda each: each.stolen,
        lambda worst: f"{100 * worst.stolen:.0f} % of the CPU time that this machine wanted",
        "choose an instance type that does not share its CPUs or live on credits (ml.m5 or ml.c5 instead of ml.t3), or "
        "another host",
        "The hypervisor took the CPUs",
    )


def _judge(
    profile: Profile,
    rule: Rule,
    share: Callable[[Contention], float],
    words: Callable[[Contention], str],
    remedy: str,
    headline: str,
) -> Finding:
    hosts = contentions(profile)
    if not hosts:
        taken = samples(profile)
        return rule.no_data(
            f"only {taken} samples of the job's own processes were taken while it trained, {LEAST} are needed"
            if taken
            else "the profile has no samples of the job's own processes"
        )
    worst = max(hosts, key=share)
    lost = share(worst)
    fired = 100 * lost > LOST
    where = f", on {worst.node}" if len(hosts) > 1 else ""
    gain = 1 / (1 - lost)
    advice = Advice(text=f"{remedy}; about {gain:.2f} times as fast without", times_as_fast=gain)
    return rule.judged(
        fired,
        f"{100 * lost:.0f} % of the time lost{where}: {words(worst)}",
        advice=[advice] if fired else (),
        details=_details(worst) if rule is _OTHER_PROGRAMS else {},
        headline=headline if fired else "",
    )


def _details(worst: Contention) -> dict[str, str]:
    found = {
        "the job's processes, CPUs": worst.job,
        "other programs, CPUs": worst.others,
        "main thread that ran, share of the time": worst.mean("trainer", "CPUUtilization"),
        "main thread that waited for a CPU": worst.mean("trainer", "CPUWaitPercentage"),
        "all threads of the training process that waited for a CPU, sum": worst.mean(
            "trainer", "ThreadsCPUWaitPercentage"
        ),
        "DataLoader worker that waited for a CPU, mean": worst.mean("readers", "CPUWaitPercentage"),
        "something on the machine or in the container waited for a CPU": worst.mean(
            "cpu", "PressurePercentage", "kernel"
        ),
    }
    details = {name: f"{value:.2f}" for name, value in found.items() if value is not None}
    for name, what in (("VoluntarySwitchesPerSecond", "voluntary"), ("InvoluntarySwitchesPerSecond", "involuntary")):
        switches = worst.mean("job", name)
        if switches is not None:
            details[f"{what} context switches a second"] = f"{100 * switches:,.0f}"
    return details


def host_memory(profile: Profile) -> Finding:
    """Judge the growth of the memory that is in use and not the job's."""
    hosts = []
    for node in nodes(profile.in_training("memory", name="MemoryUsedPercent")):
        theirs = others_percent(profile, node)
        if theirs is not None and len(theirs) >= LEAST:
            hosts.append((theirs, node))
    if not hosts:
        return _HOST_MEMORY.no_data("the profile has too few samples of the job's own memory")
    grown = {node: float(theirs[-LEAST // 2 :].mean() - theirs[: LEAST // 2].mean()) for theirs, node in hosts}
    node = max(grown, key=lambda name: grown[name])
    used = next(each for each in profile.in_training("memory", name="MemoryUsedPercent") if each.node == node)
    level = float(used.values[-1])
    stalled = Contention(profile, node).mean("memory", "PressurePercentage", "kernel") or 0.0
    fired = grown[node] > TAKEN and (level > FULL or 100 * stalled > LOST)
    gain = 1 / (1 - min(0.97, stalled)) if 100 * stalled > LOST else 1.0
    advice = Advice(
        text="the job's own processes do not explain it: stop what else runs there, or the kernel will kill the "
        "largest program, which may be this job; checkpoint-every=1 limits what is lost"
        + (f"; about {gain:.2f} times as fast without" if gain > 1 else ""),
        times_as_fast=gain,
    )
    return _HOST_MEMORY.judged(
        fired,
        f"other programs {grown[node]:+.1f} points on {node}; {level:.0f} % of the memory in use at the end",
        advice=[advice] if fired else (),
        headline="Other programs took the memory of the machine" if fired else "",
    )


def others_percent(profile: Profile, node: str) -> Column | None:
    """Compute the memory in use that is not the job's, in percent, at each sample of the host's memory.

    Returns:
        None if one of the two was not recorded.
    """
    used = [each for each in profile.in_training("memory", name="MemoryUsedPercent") if each.node == node]
    job = [each for each in profile.in_training("process", "MemoryUsedPercent", "job") if each.node == node]
    if not used or not job:
        return None
    theirs: Column = used[0].values - on_clock(job[0], used[0].times)
    return theirs
