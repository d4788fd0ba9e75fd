"""The profiler report: where a job spent its time, and what would make it faster.

profiler.html in `container.page` is its template; this module computes what the template shows.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from container.page import Figure, render
from container.report import profiler_charts as charts
from container.report.analyses import Finding
from container.report.analyses.balance import rank_table
from container.report.analyses.overall import loop_seconds
from container.report.analyses.samples import pooled
from container.report.analyses.steps import outlier_table, outliers
from container.report.profile_record import Operators, Profile

_MOST_ROWS = 20
_MOST_KERNEL_CHARACTERS = 120

_GROUPS = (
    ("GPU utilization", "gpu", "GPUUtilization", None, "%", 1.0),
    ("GPU memory", "gpu", "GPUMemoryUtilization", None, "%", 1.0),
    ("GPU power", "gpu", "GPUPower", None, "W", 1.0),
    ("CPU", "cpu", None, None, "", 1.0),
    (
        "CPU of the job's processes and of other programs (100 % is one CPU)",
        "process",
        "CPUUtilization",
        None,
        "%",
        1.0,
    ),
    ("Memory of the host", "memory", None, "MemoryUsedPercent", "%", 1.0),
    ("Memory of the job's processes", "memory", "MemoryUsedBytes", None, "MiB", 2**20),
    ("Disk", "i/o", None, None, "MB/s", 1e6),
    ("Network of the job", "network", "Algorithm", None, "MB/s", 1e6),
)
"""Charts of the system metrics: title; type, dimension and name of the series; unit, and its size."""

_PHASES = {
    "data": "waiting for the next batch",
    "copy": "copying the batch to the device",
    "debugger": "saving tensors",
    "other": "the rest of the loop: reading the loss from the device, logging",
}


def render_profiler_page(profile: Profile, findings: Sequence[Finding], related: Mapping[str, str]) -> str:
    """Render the profiler report.

    Args:
        profile: The job's profile.
        findings: From `container.report.analyses.analyse`.
        related: Titles of other pages by their relative address.
    """
    figures: dict[str, Figure] = {}
    sections = {
        "job": _job(profile, figures),
        "loop_view": _loop(profile, figures),
        "steps": _steps(profile, figures),
        "operators": _operators(profile.operators) if profile.operators else None,
        "system": _system(profile, figures),
        "processes": rank_table(profile) if len(profile.steps) > 1 else None,
    }
    figures |= {f"{finding.rule}-{chart.name}": chart.figure for finding in findings for chart in finding.charts}
    navigation = {
        "job": "Job",
        "loop": "Training loop",
        "steps": "Steps" if sections["steps"] else "",
        "operators": "Operators" if sections["operators"] else "",
        "system": "System",
        "processes": "Processes" if sections["processes"] else "",
        "rules": "Rules",
    }
    fired = [finding for finding in findings if finding.fired]
    good = [("good", "Good", "No analysis found a problem.")]
    return render(
        "profiler.html",
        figures,
        related=related,
        navigation={anchor: title for anchor, title in navigation.items() if title},
        profile=profile,
        heading=_heading(profile, fired),
        device=profile.device_name or ("" if profile.own else "recorded by SageMaker's profiler"),
        started=f"{datetime.fromtimestamp(profile.started, UTC):%Y-%m-%d %H:%M}",
        totals=_totals(profile, len(fired)),
        notes=[("problem", finding.rule, _note(finding)) for finding in fired] or good,
        rules=[(finding.rule, finding.status, finding.measured) for finding in findings],
        findings=[(finding, [_sentence(advice.text) for advice in finding.advice]) for finding in findings],
        **sections,
    )


def _heading(profile: Profile, fired: Sequence[Finding]) -> str:
    """Sum up the findings in one line, by the one that comes first."""
    if not fired:
        return "The job ran well: no rule fired" if profile.steps else "No rule fired"
    first = fired[0]
    if first.gain < 1.05:
        return first.headline or f"What to look at: {', '.join(finding.rule for finding in fired)}"
    if first.headline:
        return f"{first.headline}: without that, it would be about {first.gain:.1f} times as fast"
    return f"The job could be up to {first.gain:.1f} times as fast: {first.rule}"


def _totals(profile: Profile, fired: int) -> list[tuple[str, str]]:
    found = []
    if profile.steps:
        steps = profile.steps[0]
        rate = sum(float(each.pictures.sum()) / each.total_s for each in profile.steps if each.total_s > 0)
        found += [("pictures a second", f"{rate:,.0f}")] if rate else []
        found += [("median step", _milliseconds(float(np.median(steps.wall))))]
        found += [("waiting for data", f"{100 * steps.share('data'):.0f} %")] if steps.phases else []
    for name, kind, dimension in (("GPU used", "gpu", "GPUUtilization"), ("CPU used", "cpu", "CPUUtilization")):
        values = pooled(profile.in_training(kind, dimension))
        found += [(name, f"{values.mean():.0f} %")] if len(values) else []
    if peak := max(profile.peak_gpu_memory_bytes, default=0):
        found.append(("peak GPU memory", f"{peak / 2**30:.1f} GiB"))
    return [*found, ("rules fired", str(fired))]


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:,.0f} ms" if seconds >= 0.01 else f"{1000 * seconds:.2f} ms"


def _note(finding: Finding) -> str:
    """Say what was found, and the first advice."""
    return " ".join(_sentence(text) for text in (finding.measured, *(each.text for each in finding.advice[:1])))


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _job(profile: Profile, figures: dict[str, Figure]) -> dict[str, Any]:
    """Describe the parts of the job, and what it ran on."""
    figures["job-chart"], names = charts.job_bar(profile)
    whole = max(profile.ended - profile.started, 1e-9)
    parts = charts.job_parts(profile)
    rows = [(name, f"{seconds:,.1f}", f"{100 * seconds / whole:.1f}") for name, seconds in parts.items()]
    facts = {
        "device": profile.device_name or profile.device or "",
        "GPUs": ", ".join(
            f"{gpu.get('name', '')} ({gpu.get('memory_bytes', 0) / 2**30:.0f} GiB)" for gpu in profile.gpus
        ),
        "precision": profile.precision,
        "processes": str(len(profile.processes) or ""),
        "CPUs of a process": str(profile.cpus or ""),
        "DataLoader workers of a process": str(profile.workers) if profile.own else "",
        "batch-size": str(profile.batch_size or ""),
        "pictures": ", ".join(f"{count:,} {name}" for name, count in profile.pictures.items()),
        "versions": ", ".join(f"{name} {version}" for name, version in profile.versions.items()),
    }
    return {
        "names": names,
        "rows": [*rows, ("all", f"{whole:,.1f}", "100.0")],
        "facts": [(name, value) for name, value in facts.items() if value],
        "settings": [(name, value) for name, value in profile.settings.items() if value],
    }


def _loop(profile: Profile, figures: dict[str, Figure]) -> dict[str, Any] | None:
    """Break down the time of the training loop; None without steps."""
    spent = loop_seconds(profile)
    if not spent:
        return None
    figures["loop-chart"] = charts.breakdown(spent)
    longest = max(spent, key=lambda name: spent[name])
    return {
        "longest": longest,
        "share": 100 * spent[longest] / sum(spent.values()),
        "explained": [(name, text) for name, text in _PHASES.items() if name in spent],
    }


def _steps(profile: Profile, figures: dict[str, Figure]) -> dict[str, Any] | None:
    """Describe the steps: over time, their durations, and the longest ones; None without steps."""
    first = profile.first
    if first is None:
        return None
    figures["step-chart"] = charts.step_timeline(first)
    figures["histogram-chart"] = charts.step_histogram(first)
    return {
        "phases": charts.visible_phases(first),
        "grouped": len(first) > charts.MOST_BARS,
        "outliers": len(outliers(first)),
        "table": outlier_table(first),
    }


def _operators(window: Operators) -> dict[str, Any]:
    """Tabulate what torch.profiler recorded."""
    on_gpu = window.device == "cuda"
    name, key = ("GPU", "self_device_us") if on_gpu else ("CPU", "self_cpu_us")
    columns = {f"self {name}, ms": key, "%": "", **({"self CPU, ms": "self_cpu_us"} if on_gpu else {})}
    tables = [_operator_table("Operators", "operator", columns, window.operators)]
    if window.kernels:
        kernels = [{**entry, "name": str(entry["name"])[:_MOST_KERNEL_CHARACTERS]} for entry in window.kernels]
        tables.append(_operator_table("Kernels", "kernel", {"ms": "device_us", "%": ""}, kernels))
    return {"first": window.first_step, "last": window.first_step + window.steps - 1, "tables": tables}


def _operator_table(
    name: str, what: str, columns: Mapping[str, str], entries: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Tabulate the operators or kernels that took the most time.

    Args:
        name: The table's.
        what: Title of the first column.
        columns: Keys of times in µs, by title; rows are ranked by the first, and an empty key stands for its share.
        entries: torch.profiler's.
    """
    key = next(iter(columns.values()))
    whole = sum(float(entry[key]) for entry in entries) or 1.0
    rows = [
        [
            str(entry["name"]),
            f"{entry['calls']:,}",
            *(
                f"{entry[column] / 1000:,.2f}" if column else f"{100 * float(entry[key]) / whole:.1f}"
                for column in columns.values()
            ),
        ]
        for entry in sorted(entries, key=lambda entry: -float(entry[key]))[:_MOST_ROWS]
    ]
    return {"name": name, "head": [what, "calls", *columns], "rows": rows}


def _system(profile: Profile, figures: dict[str, Figure]) -> list[tuple[str, str, list[str]]]:
    """Draw the system metrics; returns title, anchor and series of each chart."""
    found = []
    for number, (title, kind, dimension, name, unit, scale) in enumerate(_GROUPS):
        series = [each for each in profile.select(kind, dimension, name) if len(each) and each.name != "IOPS"]
        if not series:
            continue
        anchor = f"system-{number}"
        names = [charts.title(each) for each in series]
        if kind == "cpu":
            figures[anchor], names = charts.cpu_lines(profile)
        else:
            figures[anchor] = charts.lines(profile, series, unit, scale=scale)
        found.append((title, anchor, names))
    return found
