"""Writes the reports' files."""

from collections.abc import Sequence
from pathlib import Path

from container.atomic_file import write_atomically
from container.report.analyses import Finding, analyse
from container.report.profile_reading import read_profile
from container.report.profiler_page import render_profiler_page
from container.report.training_page import render_training_page
from container.report.training_record import read_training

PROFILER_REPORT = "profiler-report.html"
TRAINING_REPORT = "training-report.html"

_TITLES = {PROFILER_REPORT: "Profiler report", TRAINING_REPORT: "Training report"}


def write_profiler_report(profile: Path, directory: Path, *, beside: Sequence[str] = ()) -> Sequence[Finding]:
    """Write profiler-report.html.

    Args:
        profile: Directory of the profiler's records.
        directory: Where to write the page.
        beside: File names of pages that will be in the same directory.

    Returns:
        The findings of the analyses.

    Raises:
        ReportError: The record is missing, damaged, or of another version.
        OSError: The page cannot be written.
    """
    record = read_profile(profile)
    findings = analyse(record)
    page = directory / PROFILER_REPORT
    _write(page, render_profiler_page(record, findings, _related(page, beside)))
    return findings


def write_training_report(data: Path, directory: Path, *, beside: Sequence[str] = ()) -> None:
    """Write training-report.html.

    Args:
        data: The job's output data: metrics, confusion matrix, mistakes.
        directory: Where to write the page.
        beside: As for `write_profiler_report`.

    Raises:
        ReportError: As for `write_profiler_report`.
        OSError: As for `write_profiler_report`.
    """
    page = directory / TRAINING_REPORT
    _write(page, render_training_page(read_training(data), _related(page, beside)))


def _related(page: Path, beside: Sequence[str]) -> dict[str, str]:
    """Get the title of the other page, if it exists or will."""
    return {
        name: title
        for name, title in _TITLES.items()
        if name != page.name and (name in beside or page.with_name(name).is_file())
    }


def _write(path: Path, page: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, lambda temporary: temporary.write_text(page, encoding="utf-8"))
