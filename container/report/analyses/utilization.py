"""LowGPUUtilization and BatchSize: hardware that is not used enough."""

from container.page.charts import figure, limit, line
from container.report.analyses.advice import best_first, faster_kernels, larger_batch, more_workers, once_a_step
from container.report.analyses.finding import NO_GPU, NO_SAMPLES, Advice, Chart, Finding, Rule, Table
from container.report.analyses.samples import LEAST, SKIPPED, minutes, percent, pooled
from container.report.profile_record import Profile

P95, P5 = 70, 10
"""Percent of a GPU's utilization, SageMaker's."""

BATCH_P95 = 70
"""Percent at the 95th percentile, SageMaker's, for CPUs, GPUs and GPU memory alike."""

OVERHEAD = 25
"""Percent of the loop in the optimizer and the loop's own work, ours: it counts where utilization is not recorded."""

TIMED_OVERHEAD = 40
"""Percent of the loop in all work that does not grow with the batch, ours, where it was timed: twice the batch is then
a quarter faster."""

_LOW_GPU_UTILIZATION = Rule(
    "LowGPUUtilization",
    "Are the GPUs busy while the job trains?",
    f"95th percentile below {P95} % (under-used), or 5th below {P5} % (fluctuating); {SKIPPED}",
)
_BATCH_SIZE = Rule(
    "BatchSize",
    "Would larger batches use the hardware better?",
    f"95th percentiles of CPUs, GPUs and GPU memory all below {BATCH_P95} % (SageMaker's), or more than {OVERHEAD} "
    f"% of the loop in the optimizer and the loop's own work; {TIMED_OVERHEAD} % in all that does not grow with the "
    "batch, where that was timed",
)


def low_gpu_utilization(profile: Profile) -> Finding:
    """Judge each GPU's 95th percentile, and its 5th if the 95th is high enough."""
    gpus = [series for series in profile.in_training("gpu", "GPUUtilization") if len(series) >= LEAST]
    if not profile.has_gpu or not gpus:
        return _LOW_GPU_UTILIZATION.no_data(NO_SAMPLES if profile.has_gpu else NO_GPU)
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
    return _LOW_GPU_UTILIZATION.judged(
        worst is not None,
        f"{lowest[2]}: 95th percentile {lowest[0]:.0f} %, 5th {lowest[1]:.0f} %",
        advice=_utilization_advice(profile) if worst else (),
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


def _utilization_advice(profile: Profile) -> list[Advice]:
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


def batch_size(profile: Profile) -> Finding:
    """Judge whether the hardware is used too little, or much of a step is work that does not grow with the batch."""
    steps = profile.first
    used = {
        "CPU": pooled(profile.in_training("cpu", "CPUUtilization")),
        "GPU": pooled(profile.in_training("gpu", "GPUUtilization")),
        "GPU memory": pooled(profile.in_training("gpu", "GPUMemoryUtilization")),
    }
    levels = {name: percent(values, 95) for name, values in used.items() if len(values) >= LEAST}
    idle = profile.has_gpu and len(levels) == len(used) and all(level < BATCH_P95 for level in levels.values())
    overhead = 100 * once_a_step(profile, steps.usual) if steps is not None and steps.phases else None
    measured = []
    if profile.has_gpu and levels:
        measured.append(
            ", ".join(f"{name} {level:.0f} %" for name, level in levels.items()) + " at the 95th percentile"
        )
    if overhead is not None:
        measured.append(f"{overhead:.1f} % of the loop does not grow with the batch")
    if not measured:
        return _BATCH_SIZE.no_data("neither steps nor a GPU's utilization were recorded")
    fired = idle or (overhead is not None and overhead > (TIMED_OVERHEAD if profile.step_seconds else OVERHEAD))
    return _BATCH_SIZE.judged(
        fired,
        "; ".join(measured),
        advice=_batch_advice(profile, overhead) if fired else (),
        charts=_charts(levels) if profile.has_gpu and levels else (),
        details=_details(profile),
    )


def _batch_advice(profile: Profile, overhead: float | None) -> list[Advice]:
    advice = []
    if overhead is not None and profile.first is not None:
        advice.append(larger_batch(profile, profile.first.usual))
    if peaks := _peaks(profile):
        room = min(total / peak for peak, total in peaks if peak > 0)
        advice.append(
            Advice(
                text=f"at its peak a GPU used {100 / room:.0f} % of its memory: up to about {room:.1f} times the "
                "batch-size fits; else choose a smaller instance type"
            )
        )
    elif profile.has_gpu:
        advice.append(Advice(text="raise batch-size until the GPU's memory is used, or choose a smaller instance type"))
    return advice


def _peaks(profile: Profile) -> list[tuple[int, int]]:
    sizes = [int(gpu.get("memory_bytes", 0)) for gpu in profile.gpus]
    return [(peak, size) for peak, size in zip(profile.peak_gpu_memory_bytes, sizes, strict=False) if peak and size]


def _details(profile: Profile) -> dict[str, str]:
    details = {"batch-size": str(profile.batch_size)} if profile.batch_size else {}
    for number, (peak, size) in enumerate(_peaks(profile)):
        details[f"peak memory of gpu{number}"] = f"{peak / 2**30:.2f} of {size / 2**30:.1f} GiB"
    return details


def _charts(levels: dict[str, float]) -> list[Chart]:
    bars = {
        "type": "bar",
        "orientation": "h",
        "meta": 0,
        "x": list(levels.values()),
        "y": list(levels),
        "text": [f"{level:.0f} %" for level in levels.values()],
        "hovertemplate": "%{y}: %{x:.1f} %",
    }
    mark = limit("threshold", BATCH_P95, next(iter(levels)), list(levels)[-1], "%", upright=True)
    drawn = figure(
        [bars, mark], "95th percentile, %", "", height=180, xaxis={"range": [0, 102]}, yaxis={"type": "category"}
    )
    return [Chart(name="levels", figure=drawn, description="Bars: 95th percentiles; dashed: the threshold.")]
