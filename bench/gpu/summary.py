"""Formats all measurements as Markdown: targets and results, then a table for each kind of measurement."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Measurement = Mapping[str, Any]
Find = Callable[[Sequence[Measurement]], float | None]

_TOO_LONG = 120
"""Characters after which a value is cut; its file has all of it."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """A target for a measurement."""

    words: str
    find: Find
    least: float | None = None
    most: float | None = None

    def row(self, measurements: Sequence[Measurement], *, judged: bool) -> list[str]:
        """Format label, target, measured value, and, if `judged`, whether the target was reached."""
        found = self.find(measurements)
        wanted = f"at least {self.least:g}" if self.least is not None else f"at most {self.most:g}"
        if found is None or not judged:
            return [self.words, wanted, "not measured" if found is None else f"{found:.4g}", ""]
        reached = found >= self.least if self.least is not None else found <= (self.most or 0)
        return [self.words, wanted, f"{found:.4g}", "reached" if reached else "**missed**"]


def _value(name: str, key: str, **labels: object) -> Find:
    """Find the value of the last measurement with this name and these labels."""

    def find(measurements: Sequence[Measurement]) -> float | None:
        for measured in reversed(measurements):
            if measured["name"] == name and key in measured and labels.items() <= measured.items():
                return float(measured[key])
        return None

    return find


def _to_seed_loop(measurements: Sequence[Measurement]) -> float | None:
    ours, seed = (
        _value(name, key)(measurements)
        for name, key in (("loops", "cache_images_per_s"), ("seed_loop", "images_per_s"))
    )
    return ours / seed if ours and seed else None


def _failed_tests(measurements: Sequence[Measurement]) -> float | None:
    outcomes = [measured["outcome"] for measured in measurements if measured["name"] == "test"]
    return float(sum(outcome in ("failure", "error") for outcome in outcomes)) if outcomes else None


TARGETS = (
    Target(words="tests that fail", find=_failed_tests, most=0),
    Target(words="training from the cache, to the step alone", find=_value("loops", "cache_to_limit"), least=0.95),
    Target(words="training from files, to the step alone", find=_value("loops", "files_to_limit"), least=0.85),
    Target(words="training, to the seed project's loop", find=_to_seed_loop, least=8),
    Target(words="training, to timm's loader and step", find=_value("loops", "cache_to_timm"), least=1.2),
    Target(words="a step with the profiler, to one without", find=_value("overhead", "profiler"), most=1.01),
    Target(
        words="a step with the hook every 100 steps, to one without",
        find=_value("overhead", "hook_default_100"),
        most=1.02,
    ),
    Target(words="a worker, to its engine alone", find=_value("worker", "to_engine", batch_size=32), least=0.9),
)


def summary(measurements: Sequence[Measurement], problems: Sequence[str], *, heading: str, quick: bool) -> str:
    """Format the measurements as Markdown.

    Args:
        measurements: Of all parts, in order.
        problems: Parts' failures, a line each.
        heading: The first line.
        quick: Whether the numbers are meaningless.
    """
    lines = [f"# {heading}", ""]
    if quick:
        lines += ["Measured with --quick, only to see that it works: the numbers are meaningless.", ""]
    lines += [f"- {problem}" for problem in problems] + [""] * bool(problems)
    lines += _table(
        ["target", "wanted", "measured", ""], [target.row(measurements, judged=not quick) for target in TARGETS]
    )
    for name in dict.fromkeys(measured["name"] for measured in measurements):
        of_name = [_flat(measured) for measured in measurements if measured["name"] == name]
        columns = list(dict.fromkeys(key for measured in of_name for key in measured))
        lines += ["", f"## {name}", ""]
        lines += _table(columns, [[_text(measured.get(key)) for key in columns] for measured in of_name])
    return "\n".join(lines) + "\n"


def _flat(measured: Measurement) -> dict[str, object]:
    """Drop the name, and turn the fields of nested objects into columns."""
    flat: dict[str, object] = {}
    for key, value in measured.items():
        if isinstance(value, dict):
            flat |= {f"{key} {name}": part for name, part in value.items()}
        elif key != "name":
            flat[key] = value
    return flat


def _text(value: object) -> str:
    text = "" if value is None else str(value).replace("|", "/").replace("\n", " ")
    return text if len(text) <= _TOO_LONG else f"{text[:_TOO_LONG]}…"


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (columns, ["---"] * len(columns), *rows)]
