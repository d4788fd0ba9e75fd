"""Counts the false alarms and the misses of the debugger's rules.

    python -m bench.rules [--seeds N] [--json FILE]

Sound trainings of a small network, and a fault for each rule, are trained with as many seeds; the rules judge what our
hook recorded, in smdebug's environment (docker/venv.sh smdebug).
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from bench.smdebug_process import PYTHON
from bench.telling import tell

ROOT = Path(__file__).parents[1]
MOST_FALSE_ALARMS, MOST_MISSES = 2.0, 5.0
"""Percent."""

Judged = Mapping[str, Mapping[str, Mapping[str, str]]]


def main(arguments: Sequence[str] | None = None) -> None:
    given = _parse(arguments)
    if not PYTHON.is_file():
        sys.exit("bench.rules judges with smdebug: create its environment with docker/venv.sh smdebug")
    with tempfile.TemporaryDirectory(prefix="slipway-bench-") as scratch:
        result = count(judge_trainings(Path(scratch), given.seeds), given.seeds)
    print(table(result))
    if given.json:
        given.json.write_text(json.dumps(result, indent=2) + "\n")
    if not result["within"]:
        sys.exit(4)


def judge_trainings(scratch: Path, seeds: int) -> Judged:
    """Train everything with every seed, and judge it; returns the judgements by `NAME #SEED`."""
    judged: dict[str, Mapping[str, Mapping[str, str]]] = {}
    with ProcessPoolExecutor(max_workers=len(os.sched_getaffinity(0))) as pool:
        for seed, found in enumerate(pool.map(_judge_seed, [scratch] * seeds, range(seeds))):
            judged |= found
            tell(f"seed {seed + 1} of {seeds}")
    return judged


def _judge_seed(scratch: Path, seed: int) -> Judged:
    from bench.rule_trainings import FAULTS, SOUND, SUMS, record

    with tempfile.TemporaryDirectory(dir=scratch) as directory:
        for name, training in (SOUND | FAULTS | SUMS).items():
            record(Path(directory) / f"{name} #{seed}", training, seed)
        quiet = {
            "SMDEBUG_LOG_LEVEL": "off",
            "SMDEBUG_TRAINING_END_DELAY_REFRESH": "0",
            "SMDEBUG_MISSING_EVENT_FILE_RETRY_LIMIT": "0",
            "PYTHONPATH": "",
        }
        done = subprocess.run(
            [str(PYTHON), "-m", "bench.rule_judge", directory],
            cwd=ROOT,
            env={**os.environ, **quiet},
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(done.stderr)
        found: Judged = json.loads(done.stdout)
        return found


def count(judged: Judged, seeds: int) -> dict[str, Any]:
    """Count alarms in sound trainings, and misses in those with the rule's fault, in percent."""
    from bench.rule_trainings import FAULTS, SOUND, SUMS

    fired = {name: set(found["fired"]) for name, found in judged.items()}
    alarms = {
        sound: Counter(rule for seed in range(seeds) for rule in fired[f"{sound} #{seed}"]) for sound in (*SOUND, *SUMS)
    }
    rules: dict[str, Any] = {}
    for rule in FAULTS:
        missed = sum(rule not in fired[f"{rule} #{seed}"] for seed in range(seeds))
        rules[rule] = {
            "false_alarms_percent": {sound: 100 * alarms[sound][rule] / seeds for sound in alarms},
            "misses_percent": 100 * missed / seeds,
        }
    told = sum(
        "it is a sum" in judged[f"{name} #{seed}"]["messages"].get("Overfit", "")
        for name in SUMS
        for seed in range(seeds)
    )
    within = all(
        max(each["false_alarms_percent"].values()) <= MOST_FALSE_ALARMS and each["misses_percent"] <= MOST_MISSES
        for each in rules.values()
    )
    sums = 100 * told / seeds / len(SUMS)
    return {
        "seeds": seeds,
        "rules": rules,
        "sums_recognised_percent": sums,
        "within": within and sums >= 100 - MOST_MISSES,
    }


def table(result: Mapping[str, Any]) -> str:
    """Format the counts as a table in Markdown."""
    rules = result["rules"]
    sounds = list(next(iter(rules.values()))["false_alarms_percent"])
    lines = [
        f"{result['seeds']} seeds; percent of the sound trainings in which a rule fires, and of its faults missed",
        "",
        "| rule | " + " | ".join(sounds) + " | misses |",
        "| --- |" + " ---: |" * (len(sounds) + 1),
    ]
    for rule, each in rules.items():
        alarms = " | ".join(f"{each['false_alarms_percent'][sound]:.0f}" for sound in sounds)
        lines.append(f"| {rule} | {alarms} | {each['misses_percent']:.0f} |")
    lines.append("")
    lines.append(f"Overfit said of {result['sums_recognised_percent']:.0f} % of the summed losses that they are sums.")
    return "\n".join(lines)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.rules", description="Count the false alarms and the misses of the debugger's rules."
    )
    parser.add_argument("--seeds", type=int, default=50, metavar="N", help="default: 50")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the counts there")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
