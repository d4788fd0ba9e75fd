"""The sections of the profiler report. Each puts its charts into `figures` by their anchors."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from container.page import Figure
from container.page.markup import chart, details, legend, section, table, tiles
from container.report import profiler_charts as charts
from container.report.analyses import Finding
from container.report.analyses.finding import Table
from container.report.analyses.load_balancing import rank_table
from container.report.analyses.overall_framework_metrics import loop_seconds
from container.report.analyses.samples import pooled
from container.report.analyses.step_outlier import outlier_table, outliers
from container.report.profile_record import Profile

Figures = dict[str, Figure]

WORDS = {"fired": "Fired", "passed": "Passed", "no data": "No data", "information": "For information"}
_LEVELS = {"fired": "problem", "passed": "good", "no data": "quiet", "information": "quiet"}
_MOST_ROWS = 20


def overview(profile: Profile, findings: Sequence[Finding]) -> str:
    """The figures, and what the analyses that fired advise."""
    fired = [finding for finding in findings if finding.fired]
    items = "".join(
        f'<li class="problem"><b>{escape(finding.rule)}</b><span>{escape(_sentence(finding.measured))} '
        f"{escape(_sentence(finding.advice[0].text)) if finding.advice else ''}</span></li>"
        for finding in fired
    )
    good = '<li class="good"><b>Good</b><span>No analysis found anything to mend.</span></li>'
    return f'{tiles(_tiles(profile, len(fired)))}<ul class="remarks" aria-label="Findings">{items or good}</ul>'


def _tiles(profile: Profile, fired: int) -> list[tuple[str, str]]:
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


def job(profile: Profile, figures: Figures) -> str:
    """Initialization, training loop and finalization, and what the job ran on."""
    figures["job-chart"], names = charts.job_bar(profile)
    parts = charts.job_parts(profile)
    whole = max(profile.ended - profile.started, 1e-9)
    rows = [[escape(name), f"{seconds:,.1f}", f"{100 * seconds / whole:.1f}"] for name, seconds in parts.items()]
    rows.append(["all", f"{whole:,.1f}", "100.0"])
    gpus = ", ".join(f"{gpu.get('name', '')} ({gpu.get('memory_bytes', 0) / 2**30:.0f} GiB)" for gpu in profile.gpus)
    facts = {
        "device": profile.device_name or profile.device or "",
        "GPUs": gpus,
        "precision": profile.precision,
        "processes": str(len(profile.processes) or ""),
        "CPUs of a process": str(profile.cpus or ""),
        "readers of a process": str(profile.workers) if profile.own else "",
        "batch-size": str(profile.batch_size or ""),
        "pictures": ", ".join(f"{count:,} {name}" for name, count in profile.pictures.items()),
        "versions": ", ".join(f"{name} {version}" for name, version in profile.versions.items()),
    }
    return section(
        "job",
        "Job",
        legend(names),
        chart("job-chart", "Bar: seconds of initialization, training loop and finalization; the table has them too."),
        table(["", "seconds", "%"], rows, numbers=(1, 2), name="Parts of the job"),
        details("What it ran on", _facts(facts, "What it ran on")),
        details("Hyperparameters", _facts(profile.settings, "Hyperparameters")) if profile.settings else "",
    )


def loop(profile: Profile, figures: Figures) -> str:
    """Where the time of the training loop went."""
    spent = loop_seconds(profile)
    if not spent:
        return section("loop", "Training loop", "<p>No steps were recorded: only the system was watched.</p>")
    figures["loop-chart"] = charts.breakdown(spent)
    longest = max(spent, key=lambda name: spent[name])
    share = 100 * spent[longest] / sum(spent.values())
    explained = {
        "data": "waiting until the next batch was there",
        "copy": "bringing the batch to the device",
        "debugger": "saving tensors",
        "other": "what the loop does beside: reading the loss off the device, logging",
    }
    notes = "; ".join(f"<b>{name}</b>: {text}" for name, text in explained.items() if name in spent)
    return section(
        "loop",
        "Training loop",
        f"<p>The longest part is {escape(longest)}, with {share:.0f} % of the loop. The rule OverallFrameworkMetrics "
        "below has percentiles.</p>",
        chart("loop-chart", "Bars: seconds of each phase of the training loop."),
        f'<p class="quiet">{notes}.</p>' if notes else "",
    )


def steps(profile: Profile, figures: Figures) -> str:
    """The steps over time, how long they took, and the longest ones."""
    first = profile.first
    if first is None:
        return ""
    figures["step-chart"] = charts.step_timeline(first)
    figures["histogram-chart"] = charts.step_histogram(first)
    grouped = '<p class="quiet">Each bar is the mean of several steps.</p>' if len(first) > 240 else ""
    found = outliers(first)
    named = (
        f"<p>{len(found):,} of {len(first):,} steps took longer than the mean by three standard deviations "
        "(the first step of each epoch is not counted).</p>" + _table(outlier_table(first))
        if len(found)
        else "<p>No step was out of line.</p>"
    )
    return section(
        "steps",
        "Steps",
        legend(charts.visible_phases(first)),
        chart("step-chart", "Stacked bars: milliseconds of each phase of the steps, in order."),
        grouped,
        chart("histogram-chart", "Bars: how many steps took how long; dashed: three standard deviations."),
        named,
    )


def operators(profile: Profile) -> str:
    """torch.profiler's tables."""
    window = profile.operators
    if window is None:
        return ""
    last = window.first_step + window.steps - 1
    text = (
        f"<p>Of the steps {window.first_step} to {last}. The trace of the same steps, window/trace.json.gz among the "
        "recorded files, opens in Perfetto (ui.perfetto.dev).</p>"
    )
    on_gpu = window.device == "cuda"
    name, key = ("GPU", "self_device_us") if on_gpu else ("CPU", "self_cpu_us")
    head = ["operator", "calls", f"self {name}, ms", "%", *(["self CPU, ms"] if on_gpu else [])]
    rows = [
        [
            f'<span class="path">{escape(str(entry["name"]))}</span>',
            f"{entry['calls']:,}",
            f"{entry[key] / 1000:,.2f}",
            share,
            *([f"{entry['self_cpu_us'] / 1000:,.2f}"] if on_gpu else []),
        ]
        for entry, share in _shares(window.operators, key)
    ]
    kernels = [
        [
            f'<span class="path">{escape(str(entry["name"])[:120])}</span>',
            f"{entry['calls']:,}",
            f"{entry['device_us'] / 1000:,.2f}",
            share,
        ]
        for entry, share in _shares(window.kernels, "device_us")
    ]
    return section(
        "operators",
        "Operators and kernels",
        text,
        table(head, rows, numbers=range(1, len(head)), name="Operators"),
        "<h3>GPU kernels</h3>" + table(["kernel", "calls", "ms", "%"], kernels, numbers=(1, 2, 3), name="Kernels")
        if kernels
        else "",
    )


def _shares(entries: Sequence[Mapping[str, Any]], key: str) -> list[tuple[Mapping[str, Any], str]]:
    whole = sum(float(entry[key]) for entry in entries) or 1.0
    ordered = sorted(entries, key=lambda entry: -float(entry[key]))[:_MOST_ROWS]
    return [(entry, f"{100 * float(entry[key]) / whole:.1f}") for entry in ordered]


def system(profile: Profile, figures: Figures) -> str:
    """What was sampled of GPUs, CPUs, memory, disk and network."""
    parts = []
    groups = (
        ("GPU utilization", "gpu", "GPUUtilization", None, "%", 1.0),
        ("GPU memory", "gpu", "GPUMemoryUtilization", None, "%", 1.0),
        ("GPU power", "gpu", "GPUPower", None, "W", 1.0),
        ("CPU", "cpu", None, None, "", 1.0),
        ("Memory of the host", "memory", None, "MemoryUsedPercent", "%", 1.0),
        ("Memory of the job's processes", "memory", "MemoryUsedBytes", None, "MiB", 2**20),
        ("Disk", "i/o", None, None, "MB/s", 1e6),
        ("Network of the job", "network", "Algorithm", None, "MB/s", 1e6),
    )
    for number, (title, kind, dimension, name, unit, scale) in enumerate(groups):
        series = [each for each in profile.select(kind, dimension, name) if len(each) and each.name != "IOPS"]
        if not series:
            continue
        anchor = f"system-{number}"
        names = [charts.title(each) for each in series]
        if kind == "cpu":
            figures[anchor], names = charts.cpu_lines(profile)
        else:
            figures[anchor] = charts.lines(profile, series, unit, scale=scale)
        parts.append(f"<h3>{escape(title)}</h3>{legend(names)}{chart(anchor, f'Lines: {title} over the job.')}")
    text = "".join(parts) or "<p>No system metrics were recorded.</p>"
    return section("system", "System", text)


def processes(profile: Profile) -> str:
    """What each process of a distributed job did."""
    if len(profile.steps) < 2:
        return ""
    note = (
        '<p class="quiet">Means without the first step of each epoch. Own work is a step without '
        "backward, which ends for all processes together. The rule "
        "LoadBalancing judges it.</p>"
    )
    return section("processes", "Processes", _table(rank_table(profile)), note)


def rules(findings: Sequence[Finding]) -> str:
    """All analyses at a glance."""
    rows = [
        [f'<a href="#{finding.rule}">{finding.rule}</a>', _badge(finding), escape(finding.measured)]
        for finding in findings
    ]
    note = (
        '<p class="quiet">Names and thresholds are those of SageMaker\'s ProfilerReport; where a threshold of ours is '
        "added, it is said. Gains are what a change can bring at best, computed from this job's record.</p>"
    )
    return section("rules", "Rules", note, table(["rule", "", "found"], rows, name="All rules", stacks=True))


def rule(finding: Finding, figures: Figures) -> str:
    """One analysis."""
    parts = [
        f"<p>{escape(finding.question)}</p>",
        f'<dl class="facts"><div><dt>Result</dt><dd>{_badge(finding)}</dd></div>'
        f"<div><dt>Found</dt><dd>{escape(finding.measured)}</dd></div>"
        f"<div><dt>Threshold</dt><dd>{escape(finding.threshold)}</dd></div></dl>",
    ]
    if finding.advice:
        items = "".join(f"<li>{escape(_sentence(advice.text))}</li>" for advice in finding.advice)
        parts.append(f'<h3>What to do</h3><ul class="advice">{items}</ul>')
    for drawn in finding.charts:
        anchor = f"{finding.rule}-{drawn.name}"
        figures[anchor] = drawn.figure
        parts.append(legend(drawn.series) + chart(anchor, drawn.description))
    parts += [_table(each) for each in finding.tables]
    if finding.details:
        parts.append(details("Further figures", _facts(finding.details, f"Further figures of {finding.rule}")))
    return f'<section id="{finding.rule}" class="rule"><h2>{finding.rule}</h2>{"".join(parts)}</section>'


def _badge(finding: Finding) -> str:
    return f'<b class="{_LEVELS[finding.status]}">{WORDS[finding.status]}</b>'


def _table(found: Table) -> str:
    rows = [[escape(cell) for cell in row] for row in found.rows]
    return table(found.head, rows, numbers=range(1, len(found.head)), name=found.name)


def _facts(facts: Mapping[str, str], name: str) -> str:
    rows = [[escape(name), escape(value)] for name, value in facts.items() if value]
    return table(["", ""], rows, name=name, stacks=True)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
