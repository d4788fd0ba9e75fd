"""Judges trials by the built-in rules, in smdebug's environment: python -m bench.rule_judge DIRECTORY.

Prints one JSON object: of each directory in it, the rules that fired, and what they say besides.
"""

import json
import sys
from pathlib import Path


def main() -> None:
    from container.rules.catalogue import make_runs
    from container.rules.judging import judge
    from container.rules.selection import choose
    from container.rules.snapshot import open_trial

    judged = {}
    for path in sorted(Path(sys.argv[1]).iterdir()):
        trial = open_trial(str(path), follow=False, say=print)
        runs = make_runs(choose([], []), trial)
        found = judge(
            trial,
            runs,
            start_step=0,
            end_step=None,
            follow=False,
            found=lambda rule, finding: None,
            say=print,
        )
        judged[path.name] = {
            "fired": {result.rule: result.findings[0].what for result in found.results if result.findings},
            "messages": {result.rule: result.message for result in found.results if result.message},
        }
    sys.stdout.write(json.dumps(judged))


if __name__ == "__main__":
    main()
