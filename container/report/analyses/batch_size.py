"""BatchSize: is the batch so small that the hardware has little to do?"""

from container.report.analyses.finding import Advice, Chart, Finding
from container.report.analyses.levers import larger_batch
from container.report.analyses.samples import LEAST, percent, pooled
from container.report.charts import figure
from container.report.profile_record import OTHER, Profile

THRESHOLD = 70
"""Percent at the 95th percentile, SageMaker's, for CPUs, GPUs and GPU memory alike."""

OVERHEAD = 25
"""Percent of the loop in work that does not grow with the batch, ours: it tells where utilization does not."""


def analyse(profile: Profile) -> Finding:
    """Utilization of everything below the threshold, or much of a step spent on what each step does once."""
    question = "Would larger batches use the hardware better?"
    threshold = (
        f"95th percentiles of CPUs, GPUs and GPU memory all below {THRESHOLD} % (SageMaker's), or more than {OVERHEAD} "
        "% of the loop in the optimizer and the loop's own work"
    )
    steps = profile.first
    used = {
        "CPU": pooled(profile.in_training("cpu", "CPUUtilization")),
        "GPU": pooled(profile.in_training("gpu", "GPUUtilization")),
        "GPU memory": pooled(profile.in_training("gpu", "GPUMemoryUtilization")),
    }
    levels = {name: percent(values, 95) for name, values in used.items() if len(values) >= LEAST}
    idle = profile.has_gpu and len(levels) == len(used) and all(level < THRESHOLD for level in levels.values())
    overhead = 100 * steps.usual.share("optimizer", OTHER) if steps is not None and steps.phases else None
    measured = []
    if profile.has_gpu and levels:
        measured.append(
            ", ".join(f"{name} {level:.0f} %" for name, level in levels.items()) + " at the 95th percentile"
        )
    if overhead is not None:
        measured.append(f"{overhead:.1f} % of the loop does not grow with the batch")
    if not measured:
        return Finding(
            rule="BatchSize",
            question=question,
            status="no data",
            measured="neither steps nor a GPU's utilization were recorded",
            threshold=threshold,
        )
    fired = idle or (overhead is not None and overhead > OVERHEAD)
    return Finding(
        rule="BatchSize",
        question=question,
        status="fired" if fired else "passed",
        measured="; ".join(measured),
        threshold=threshold,
        advice=_advice(profile, overhead) if fired else (),
        charts=_charts(levels) if profile.has_gpu and levels else (),
        details=_details(profile),
    )


def _advice(profile: Profile, overhead: float | None) -> list[Advice]:
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
        "hovertemplate": "%{y}: %{x:.1f} %<extra></extra>",
    }
    mark = {
        "type": "scatter",
        "mode": "lines",
        "meta": 5,
        "x": [THRESHOLD, THRESHOLD],
        "y": [next(iter(levels)), list(levels)[-1]],
        "line": {"dash": "dash", "width": 1.5},
        "hovertemplate": "threshold<extra></extra>",
    }
    drawn = figure(
        [bars, mark], "95th percentile, %", "", height=180, xaxis={"range": [0, 102]}, yaxis={"type": "category"}
    )
    return [Chart(name="levels", figure=drawn, description="Bars: 95th percentiles; dashed: the threshold.")]
