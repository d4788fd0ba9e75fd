"""Trains under smdebug's own hook; run by `bench.debug` in smdebug's environment.

    python smdebug_steps.py PACKAGES REQUEST

PACKAGES is the directory of torch, searched after this environment's own packages. For each line of input, `neither` or
`all`, it trains and prints seconds per step.
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
    """Answer until the input ends."""
    # Libraries' output must not mix with the answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    request = json.loads(sys.argv[2])
    workload = Workload(**{name: request[name] for name in ("model", "image_size", "batch_size")})
    steps: int = request["steps"]
    scratch = Path(request["scratch"])
    # smdebug's hooks cannot be removed, so there are two networks.
    plain, hooked = Training(workload), Training(workload)
    hook = smd.Hook(out_dir=str(scratch), save_all=True, save_config=smd.SaveConfig(save_interval=1))
    hook.register_hook(hooked.model)
    hook.set_mode(smd.modes.TRAIN)
    for line in sys.stdin:
        training = {"neither": plain, "all": hooked}[line.strip()]
        training.run(2)
        if training is hooked:
            hook._close_writers()  # flushes the warm-up, which the first step would do otherwise
        start = time.perf_counter()
        training.run(steps)
        if training is hooked:
            hook._close_writers()
        print((time.perf_counter() - start) / steps, file=answers, flush=True)
        shutil.rmtree(scratch / "events", ignore_errors=True)


if __name__ == "__main__":
    main()
