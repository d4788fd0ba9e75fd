"""Charts of the profiler report that belong to no analysis."""

from typing import Any

import numpy as np

from container.contract.step_phases import PHASES
from container.page import Figure
from container.page.charts import figure, grouped, histogram, limit, line, rounded
from container.report.analyses.samples import minutes, nodes, together
from container.report.analyses.steps import outlier_limit, outliers
from container.report.profile_record import OTHER, Profile, Series, Steps

MOST_BARS = 240
"""In the chart of the steps; with more steps, a bar is the mean of several."""

_SMALLEST = 0.001
"""Share of the loop below which the chart of the steps omits a phase: its bars would be invisible."""


def visible_phases(steps: Steps) -> list[str]:
    """List the phases that the chart of the steps shows."""
    return [name for name in (*PHASES, OTHER) if steps.share(name) >= _SMALLEST]


def breakdown(spent: dict[str, float]) -> Figure:
    """Draw a bar of the seconds of each phase, the longest on top."""
    ordered = sorted(spent.items(), key=lambda entry: entry[1])
    whole = sum(spent.values())
    bars = {
        "type": "bar",
        "orientation": "h",
        "meta": 0,
        "y": [name for name, _ in ordered],
        "x": rounded(np.array([seconds for _, seconds in ordered])),
        "text": [f"{100 * seconds / whole:.1f} %" for _, seconds in ordered],
        "textposition": "auto",
        "cliponaxis": False,
        "hovertemplate": "%{y}: %{x:.4g} s",
    }
    longest = max(spent.values())
    return figure(
        [bars],
        "seconds",
        "",
        height=70 + 30 * len(spent),
        xaxis={"range": [0, 1.12 * longest], "nticks": 6},
        yaxis={"type": "category"},
    )


def step_timeline(steps: Steps) -> Figure:
    """Draw the phases of each step as stacked bars; of groups of steps where there are many."""
    x = rounded(grouped(steps.step, MOST_BARS))
    names = visible_phases(steps)
    columns = {name: steps.phase(name) for name in names} or {"step": steps.wall}
    traces = [
        {
            "type": "bar",
            "name": name,
            "meta": number,
            "x": x,
            "y": rounded(grouped(1000 * column, MOST_BARS)),
            "hovertemplate": f"step %{{x:.0f}}<br>{name}: %{{y:.4g}} ms",
        }
        for number, (name, column) in enumerate(columns.items())
    ]
    # A first step that waited for everything to start would flatten all others.
    sizes = grouped(1000 * steps.wall, MOST_BARS)
    most = float(min(sizes.max(), 4 * np.percentile(sizes, 90)))
    return figure(
        traces, "step", "ms", height=340, barmode="stack", bargap=0.05, yaxis={"range": [0, 1.05 * max(most, 1e-6)]}
    )


def step_histogram(steps: Steps) -> Figure:
    """Draw a histogram of the steps' durations; outliers are right of the dashed line."""
    usual = steps.wall[~steps.first_of_epoch] if (~steps.first_of_epoch).any() else steps.wall
    found = outliers(steps)
    values = 1000 * usual
    edge = 1000 * outlier_limit(usual)
    bars = histogram(values, 0, "ms", most=max(1.3 * edge, float(np.percentile(values, 99.5))))
    mark = limit("3 standard deviations", edge, 0, max(bars["y"]), "ms", upright=True)
    return figure([bars, mark] if len(found) else [bars], "duration of a step, ms", "steps", height=280)


def lines(profile: Profile, series: list[Series], unit: str, *, scale: float = 1.0) -> Figure:
    """Draw a line for each series over the time of the job."""
    traces = [
        line(number, title(each), minutes(profile, each.times), each.values / scale, unit)
        for number, each in enumerate(series)
    ]
    top = {"range": [0, 102]} if unit == "%" else {}
    return figure(traces, "minutes since the job started", unit, height=240, yaxis=top)


def cpu_lines(profile: Profile) -> tuple[Figure, list[str]]:
    """Draw the mean and the busiest core of each host, and the mean I/O wait; also returns the lines' names."""
    traces: list[dict[str, Any]] = []
    names: list[str] = []
    cores = [series for series in profile.select("cpu", "CPUUtilization") if len(series)]
    waits = [series for series in profile.select("cpu", "I/OWaitPercentage") if len(series)]
    for node in nodes(cores):
        clock, values = together([series for series in cores if series.node == node])
        x = minutes(profile, clock)
        found = [("mean of the cores", values.mean(axis=0)), ("busiest core", values.max(axis=0))]
        of_node = [series for series in waits if series.node == node]
        if of_node:
            found.append(("I/O wait", together(of_node)[1].mean(axis=0)[: len(x)]))
        for name, column in found:
            label = f"{name}, {node}"
            traces.append(line(len(traces), label, x[: len(column)], column, "%"))
            names.append(label)
    return figure(traces, "minutes since the job started", "%", height=240, yaxis={"range": [0, 102]}), names


def job_bar(profile: Profile) -> tuple[Figure, list[str]]:
    """Draw the parts of the job as one stacked bar; also returns their names."""
    parts = job_parts(profile)
    traces = [
        {
            "type": "bar",
            "orientation": "h",
            "name": name,
            "meta": number,
            "x": [round(seconds, 3)],
            "y": ["job"],
            "hovertemplate": f"{name}: %{{x:.4g}} s",
        }
        for number, (name, seconds) in enumerate(parts.items())
    ]
    drawn = figure(
        traces, "seconds", "", height=110, barmode="stack", yaxis={"type": "category", "showticklabels": False}
    )
    return drawn, list(parts)


def job_parts(profile: Profile) -> dict[str, float]:
    """Compute the seconds of initialization, training loop and finalization, as in SageMaker's report."""
    loop_end = max(profile.loop_end, profile.training_started)
    return {
        "initialization": max(0.0, profile.training_started - profile.started),
        "training loop": max(0.0, loop_end - profile.training_started),
        "finalization": max(0.0, profile.ended - loop_end),
    }


def title(series: Series) -> str:
    """Name a series for people."""
    return f"{series.name}, {series.node}" if series.name else series.node
