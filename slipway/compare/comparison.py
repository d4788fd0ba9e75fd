"""Compares results: what they share, where they differ, and what makes the comparison unfair. Pure functions."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from slipway.chance import Verdict, judge
from slipway.compare.result import Result
from slipway.compare.variants import MODEL_TYPE

# Hyperparameters that change how a job runs, not what it learns.
_HARMLESS = frozenset(
    ("num-workers", "checkpoint-every", "checkpoint-minutes", "wandb", "debug", "profile", "export", "int8")
)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The jobs of a comparison."""

    results: tuple[Result, ...]
    """Results in the order in which they were requested."""
    varied: tuple[str, ...]
    """Hyperparameters that were meant to differ."""
    shared: Mapping[str, str]
    """Settings that are equal in all jobs."""
    warnings: tuple[str, ...]
    """Differences beside the intended ones."""
    failures: Mapping[str, str] = field(default_factory=dict)
    """Reasons why jobs have no result, by their names."""

    @property
    def best(self) -> Result | None:
        """The result with the highest test accuracy."""
        verdict = self.verdict
        return next((result for result in self.results if verdict and result.name == verdict.best), None)

    @property
    def verdict(self) -> Verdict | None:
        """Which result is the most accurate, and which others may be as good; None if none was tested."""
        return judge({result.name: result.tested for result in self.results if result.tested is not None})

    def to_json(self) -> dict[str, Any]:
        """Return the content of comparison.json, with derived figures."""
        verdict = self.verdict
        return {
            "winner": verdict.winner if verdict else None,
            "no_difference": [verdict.best, *verdict.equals] if verdict and verdict.equals else [],
            "varied": list(self.varied),
            "settings": dict(self.shared),
            "warnings": list(self.warnings),
            "failures": dict(self.failures),
            "results": [
                {
                    **asdict(replace(result, predictions=None)),
                    "architecture": result.architecture,
                    "training_s": round(result.training_s, 3),
                    "pictures_per_s": round(result.pictures_per_s, 2),
                }
                for result in self.results
            ],
        }

    def write(self, path: Path) -> None:
        """Write comparison.json.

        Raises:
            OSError: It cannot be written.
        """
        path.write_text(json.dumps(self.to_json(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


@dataclass(frozen=True)
class Run:
    """A comparison that was run, perhaps not to its end."""

    comparison: Comparison
    stopped_by: int | None = None
    """The signal that stopped it before its last job."""


def compare(
    results: Iterable[Result], varied: Sequence[str] = (MODEL_TYPE,), failures: Mapping[str, str] | None = None
) -> Comparison:
    """Compare results.

    Args:
        results: One or more; results of equal names get their jobs' names added.
        varied: Hyperparameters that are meant to differ.
        failures: Reasons why jobs have no result, by their names.
    """
    found = _distinct(tuple(results))
    settings = _by_name([result.settings for result in found])
    return Comparison(
        results=found,
        varied=tuple(varied),
        shared={name: values[0] for name, values in settings.items() if len(set(values)) == 1 and values[0]},
        warnings=tuple(_warnings(found, varied)),
        failures=failures or {},
    )


def _distinct(results: tuple[Result, ...]) -> tuple[Result, ...]:
    names = [result.name for result in results]
    return tuple(
        replace(result, name=Path(result.job).name) if names.count(result.name) > 1 else result for result in results
    )


def _by_name(mappings: Sequence[Mapping[str, str]]) -> dict[str, list[str]]:
    names = dict.fromkeys(name for mapping in mappings for name in mapping)
    return {name: [mapping.get(name, "") for mapping in mappings] for name in names}


def _warnings(results: Sequence[Result], varied: Sequence[str]) -> Iterable[str]:
    for name, values in _by_name([result.settings for result in results]).items():
        if name not in varied and name not in _HARMLESS and len(set(values)) > 1:
            yield f"{name} differs: {_listed(results, values)}"
    for split in ("train", "validation", "test"):
        counts = [f"{result.pictures.get(split, 0):,}" for result in results]
        if len(set(counts)) > 1:
            yield f"The data differs: pictures in {split} are {_listed(results, counts)}"
    if len({result.classes for result in results}) > 1:
        counts = [f"{len(result.classes):,}" for result in results]
        yield f"The data differs: the classes are not the same ones ({_listed(results, counts)})"
    for package, versions in _by_name([result.versions for result in results]).items():
        if len(set(versions)) > 1:
            yield f"The version of {package} differs: {_listed(results, versions)}"
    places = [result.place for result in results]
    if len(set(places)) > 1:
        yield f"Times cannot be compared, since the jobs ran on different devices: {_listed(results, places)}"
    for result in results:
        if result.test_accuracy is None:
            yield f"{result.name} was stopped before its test; its figures are those of {len(result.epochs)} epochs"


def _listed(results: Sequence[Result], values: Sequence[str]) -> str:
    return "; ".join(f"{value or 'none'} in {result.name}" for result, value in zip(results, values, strict=True))
