"""The profiler report: where the time of a job went, and what would make it shorter."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from importlib.resources import files

from container.page import Figure, render_frame
from container.report import profiler_sections as sections
from container.report.analyses import Finding
from container.report.profile_record import Profile

_SECTIONS = {
    "job": "Job",
    "loop": "Training loop",
    "steps": "Steps",
    "operators": "Operators",
    "system": "System",
    "processes": "Processes",
    "rules": "Rules",
}


def render_profiler_page(profile: Profile, findings: Sequence[Finding], related: Mapping[str, str]) -> str:
    """The whole page.

    Args:
        profile: What was recorded.
        findings: From `container.report.analyses.analyse`.
        related: Titles of other pages by their relative address.
    """
    figures: dict[str, Figure] = {}
    body = {
        "job": sections.job(profile, figures),
        "loop": sections.loop(profile, figures),
        "steps": sections.steps(profile, figures),
        "operators": sections.operators(profile),
        "system": sections.system(profile, figures),
        "processes": sections.processes(profile),
        "rules": sections.rules(findings) + "".join(sections.rule(finding, figures) for finding in findings),
    }
    begun = datetime.fromtimestamp(profile.started, UTC)
    device = profile.device_name or ("" if profile.own else "recorded by SageMaker's profiler")
    lead = ", ".join(
        part for part in (escape(profile.job), escape(device), f"started {begun:%Y-%m-%d %H:%M} UTC") if part
    )
    return render_frame(
        title=f"{profile.job}: profiler report" if profile.job else "Profiler report",
        heading=heading(profile, findings),
        lead=lead,
        navigation={anchor: title for anchor, title in _SECTIONS.items() if body[anchor]},
        body=sections.overview(profile, findings) + "".join(body.values()),
        figures=figures,
        made_by="slipway report",
        styles=(files("container.report") / "report.css").read_text(encoding="utf-8"),
        related=related,
    )


def heading(profile: Profile, findings: Sequence[Finding]) -> str:
    """What matters most, in one line."""
    fired = [finding for finding in findings if finding.fired]
    if not fired:
        return "The job ran well: no rule fired" if profile.steps else "No rule fired"
    best = max(fired, key=lambda finding: max((advice.times_as_fast for advice in finding.advice), default=1.0))
    gain = max((advice.times_as_fast for advice in best.advice), default=1.0)
    names = ", ".join(finding.rule for finding in fired)
    if gain < 1.05:
        return f"What to look at: {names}"
    return f"The job could be up to {gain:.1f} times as fast: {best.rule}"
