"""Renders a page with a soak's latencies, statuses and memory over time, and its faults."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bench.serving.faults import Fault
from bench.serving.load import Samples
from container.page import Figure
from container.page import render as render_page
from container.page.charts import figure, line

_GROUPS = {"200": (200,), "503": (503,), "others": ()}


def render(
    result: Mapping[str, Any],
    samples: Samples,
    faults: Sequence[Fault],
    memory: Sequence[tuple[float, Mapping[str, int]]],
) -> str:
    """Render the page.

    Args:
        result: From `soak_results.results`, with the settings.
        samples: Of the load.
        faults: In order of time.
        memory: From `Monitor`.
    """
    zero = samples.start[0]
    figures = {
        "latency-chart": _latency(samples, faults, zero),
        "statuses-chart": _statuses(samples, zero),
        "memory-chart": _memory(memory, zero),
    }
    parts = list(memory[0][1]) if memory else []
    rows = [
        [
            phase["phase"],
            f"{phase.get('at_s', '')}",
            f"{phase['requests']}",
            f"{phase['failed']}",
            f"{phase.get('recovered_answers_s', '')}",
            f"{phase.get('recovered_ping_s', '')}",
        ]
        for phase in result["phases"]
    ]
    head = ("phase", "at, s", "requests", "failed", "answers again after, s", "/ping again after, s")
    return render_page("soak.html", figures, result=result, statuses=list(_GROUPS), parts=parts, head=head, rows=rows)


def _latency(samples: Samples, faults: Sequence[Fault], zero: float) -> Figure:
    """Chart the latency of answers with status 200, by the second in which they came."""
    seconds: dict[int, list[float]] = {}
    for start, end, status in zip(samples.start, samples.end, samples.status, strict=True):
        if status == 200:
            seconds.setdefault(int(end - zero), []).append(1000 * (end - start))
    when = np.array(sorted(seconds), dtype=np.float64)
    lines = [
        line(number, name, when, np.array([np.percentile(seconds[int(second)], percent) for second in when]), "ms")
        for number, (name, percent) in enumerate((("median", 50), ("99 of 100", 99)))
    ]
    marks = {
        "type": "scatter",
        "mode": "markers",
        "meta": 2,
        "x": [fault.start - zero for fault in faults],
        "y": [0.0 for _ in faults],
        "text": [fault.kind for fault in faults],
        "marker": {"symbol": "triangle-up", "size": 11},
        "hovertemplate": "%{text}",
    }
    return figure([*lines, marks], "seconds", "milliseconds")


def _statuses(samples: Samples, zero: float) -> Figure:
    when = np.array(samples.end) - zero
    edges = np.arange(0, when.max(initial=1) + 1)
    known = [status for statuses in _GROUPS.values() for status in statuses]
    traces = []
    for number, (name, statuses) in enumerate(_GROUPS.items()):
        chosen = np.array(
            [status in statuses if statuses else status not in known for status in samples.status], dtype=bool
        )
        counts, _ = np.histogram(when[chosen], bins=edges)
        traces.append(line(number, name, edges[:-1], counts.astype(np.float64), "in a second"))
    return figure(traces, "seconds", "answers in a second")


def _memory(memory: Sequence[tuple[float, Mapping[str, int]]], zero: float) -> Figure:
    when = np.array([time - zero for time, _ in memory])
    parts = list(memory[0][1]) if memory else []
    traces = [
        line(number, part, when, np.array([sizes[part] / 1e6 for _, sizes in memory]), "MB")
        for number, part in enumerate(parts)
    ]
    return figure(traces, "seconds", "MB")
