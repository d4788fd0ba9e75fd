"""LowGPUUtilization: a GPU that is hardly used, or by fits and starts."""

from container.report.analyses.finding import NO_GPU, NO_SAMPLES, Advice, Chart, Finding, Table
from container.report.analyses.levers import best_first, faster_kernels, larger_batch, more_workers
from container.report.analyses.samples import LEAST, SKIPPED, minutes, percent
from container.report.charts import figure, limit, line
from container.report.profile_record import Profile

P95, P5 = 70, 10
"""Percent, SageMaker's."""


def analyse(profile: Profile) -> Finding:
    """Each GPU's 95th percentile, and its 5th where the former is high enough."""
    question = "Are the GPUs busy while the job trains?"
    threshold = f"95th percentile below {P95} % (under-used), or 5th below {P5} % (fluctuating); {SKIPPED}"
    gpus = [series for series in profile.in_training("gpu", "GPUUtilization") if len(series) >= LEAST]
    if not profile.has_gpu or not gpus:
        return Finding(
            rule="LowGPUUtilization",
            question=question,
            status="no data",
            measured=NO_SAMPLES if profile.has_gpu else NO_GPU,
            threshold=threshold,
        )
    rows, worst = [], None
    for series in gpus:
        p95, p50, p5 = (percent(series.values, quantile) for quantile in (95, 50, 5))
        verdict = "under-used" if p95 < P95 else "fluctuating" if p5 < P5 else "busy"
        rows.append([f"{series.name}, {series.node}", f"{p95:.0f}", f"{p50:.0f}", f"{p5:.0f}", verdict])
        if verdict != "busy" and (worst is None or p95 < worst[0]):
            worst = (p95, p5, verdict)
    lowest = worst or min((percent(series.values, 95), percent(series.values, 5), "busy") for series in gpus)
    traces = [
        line(number, f"{series.name}, {series.node}", minutes(profile, series.times), series.values, "%")
        for number, series in enumerate(gpus)
    ]
    ends = (traces[0]["x"][0], traces[0]["x"][-1])
    drawn = figure(
        [*traces, limit("threshold", P95, *ends)], "minutes", "GPU utilization, %", yaxis={"range": [0, 102]}
    )
    return Finding(
        rule="LowGPUUtilization",
        question=question,
        status="fired" if worst else "passed",
        measured=f"{lowest[2]}: 95th percentile {lowest[0]:.0f} %, 5th {lowest[1]:.0f} %",
        threshold=threshold,
        advice=_advice(profile) if worst else (),
        charts=[
            Chart(
                name="utilization",
                figure=drawn,
                description="Lines: utilization of each GPU; dashed: the threshold.",
                series=[f"{series.name}, {series.node}" for series in gpus],
            )
        ],
        tables=[Table(name="Utilization of each GPU", head=["GPU", "p95, %", "p50, %", "p5, %", ""], rows=rows)],
    )


def _advice(profile: Profile) -> list[Advice]:
    steps = profile.first.usual if profile.first else None
    if steps is None or not steps.phases:
        return [Advice(text="raise num-workers and batch-size, or choose a smaller instance type")]
    advice = [larger_batch(profile, steps)]
    if steps.share("data") > 0.02:
        advice.append(more_workers(profile, steps))
    outside = sum(span.seconds for span in profile.spans if span.name in ("checkpoint", "model"))
    loop = profile.loop_end - profile.training_started
    if loop > 0 and outside / loop > 0.02:
        gain = 1 / (1 - outside / loop)
        advice.append(
            Advice(
                text=f"writing checkpoints and the best model is {100 * outside / loop:.0f} % of the loop: raise "
                f"checkpoint-every; at best {gain:.2f} times as fast",
                times_as_fast=gain,
            )
        )
    return best_first([*advice, *faster_kernels(profile, steps)])
