"""Plants what slows a job in real ones, and compares the gain that the report promises with that of following it.

    python -m bench.causes [--seconds S] [--only CAUSE …] [--json FILE]

Each job trains on this machine for some seconds, alone or slowed by one cause or two; then it runs again as the first
advice of its report says. Ratios are of the two runs' speeds, so a machine that does other work beside blurs them, and
is named as a cause itself. A CPU quota needs the right to make a cgroup (version 1 or 2), else it is left out. "memory
taken" fills most of the machine's free memory, so it is only planted where --only names it.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from bench.causes_run import CAUSES, Job, make_quota, run_job
from bench.telling import tell


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What the report said of a job, and what following it brought."""

    plants: Sequence[str]
    named: Sequence[str]
    """The rules that fired, in the report's order."""
    promised: float
    had: float
    """Times as fast, once the first advice was followed; of a plant that was not named first, once it was removed."""

    @property
    def right(self) -> bool:
        """Whether what was planted is named first."""
        return bool(self.named) and self.named[0] in {CAUSES[plant].rule for plant in self.plants}


def main(arguments: Sequence[str] | None = None) -> None:
    given = _parse(arguments)
    wanted = given.only or [name for name in CAUSES if name != "memory taken"]
    if "cpu quota" in wanted and make_quota(1.0) is None:
        tell("cpu quota is left out: a cgroup cannot be made here")
        wanted = [name for name in wanted if name != "cpu quota"]
    if missing := [name for name in wanted if name not in CAUSES]:
        sys.exit(f"bench.causes plants {', '.join(CAUSES)}; not {', '.join(missing)}")
    outcomes = []
    with tempfile.TemporaryDirectory(prefix="slipway-bench-") as scratch:
        for plants in _planted(wanted):
            outcomes.append(measure(Path(scratch), plants, given.seconds))
            tell(row(outcomes[-1]))
    print(table(outcomes))
    if given.json:
        given.json.write_text(json.dumps([_to_json(outcome) for outcome in outcomes], indent=2) + "\n")


def measure(scratch: Path, plants: Sequence[str], seconds: float) -> Outcome:
    """Run a job with its plants, and again without the one that is named first."""
    job = Job(plants=tuple(plants))
    slowed = run_job(scratch, job, seconds)
    named = [finding.rule for finding in slowed.findings]
    by_rule = {CAUSES[plant].rule: plant for plant in plants}
    first = by_rule.get(named[0]) if named else None
    followed = run_job(scratch, job.without(first or plants[0]), seconds)
    return Outcome(
        plants=plants,
        named=named,
        promised=slowed.findings[0].gain if slowed.findings else 1.0,
        had=followed.pictures_a_second / slowed.pictures_a_second,
    )


def table(outcomes: Sequence[Outcome]) -> str:
    """Format the outcomes as a table in Markdown."""
    lines = [
        "| planted | named first | right | promised | had | promised / had |",
        "| --- | --- | --- | ---: | ---: | ---: |",
    ]
    return "\n".join([*lines, *map(row, outcomes)])


def row(outcome: Outcome) -> str:
    """Format one outcome."""
    first = outcome.named[0] if outcome.named else "nothing"
    return (
        f"| {' and '.join(outcome.plants)} | {first} | {'yes' if outcome.right else 'no'} | {outcome.promised:.2f} | "
        f"{outcome.had:.2f} | {outcome.promised / outcome.had:.2f} |"
    )


def _to_json(outcome: Outcome) -> Mapping[str, Any]:
    return {**vars(outcome), "right": outcome.right, "ratio": outcome.promised / outcome.had}


def _planted(names: Sequence[str]) -> Iterator[tuple[str, ...]]:
    yield from combinations(names, 1)
    yield from combinations(names, 2)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.causes",
        description="Compare the gains that the profiler's report promises with real ones.",
    )
    parser.add_argument("--seconds", type=float, default=25.0, metavar="S", help="of training in each job; default: 25")
    parser.add_argument("--only", nargs="+", metavar="CAUSE", help=f"some of: {', '.join(CAUSES)}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the outcomes there")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
