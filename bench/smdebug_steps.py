"""Steps of the same training under smdebug's own hook, run by `bench.debug` in smdebug's environment.

    python smdebug_steps.py PACKAGES REQUEST

PACKAGES is where torch is, behind this environment's own packages. For each line read, `neither` or `all`, it trains
and prints seconds a step.
"""

import json
import os
import shutil
import sys
import time
from pathlib import Path

sys.path += [sys.argv[1], str(Path(__file__).parents[1])]

import smdebug.pytorch as smd

from bench.workload import Training, Workload


def main() -> None:
    """Answer until there is no more to read."""
    # What a library says must not come between the answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    request = json.loads(sys.argv[2])
    workload = Workload(**{name: request[name] for name in ("model", "image_size", "batch_size")})
    steps: int = request["steps"]
    scratch = Path(request["scratch"])
    # Once registered, smdebug's hooks stay: a network for each.
    plain, hooked = Training(workload), Training(workload)
    hook = smd.Hook(out_dir=str(scratch), save_all=True, save_config=smd.SaveConfig(save_interval=1))
    hook.register_hook(hooked.model)
    hook.set_mode(smd.modes.TRAIN)
    for line in sys.stdin:
        training = {"neither": plain, "all": hooked}[line.strip()]
        training.run(2)
        if training is hooked:
            hook._close_writers()  # of the last step, as the next one would begin with
        start = time.perf_counter()
        training.run(steps)
        if training is hooked:
            hook._close_writers()
        print((time.perf_counter() - start) / steps, file=answers, flush=True)
        shutil.rmtree(scratch / "events", ignore_errors=True)


if __name__ == "__main__":
    main()
