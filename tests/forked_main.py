"""A program's `main` in a process that is forked from one that has imported torch, as if it had been started."""

import gc
import importlib
import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.train import forked_job
from tests.train.forked_job import Plant, fork_server, nothing

ROOT = Path(__file__).parents[1]


def run_main(
    module: str, *arguments: object, env: Mapping[str, str] | None = None, plant: Plant = nothing
) -> subprocess.CompletedProcess[str]:
    """Run `python -m MODULE ARGUMENTS` to its end, without starting Python and importing torch.

    Args:
        module: Has a function `main`; where that is in a package's `__main__`, its name ends so.
        arguments: Of the command line.
        env: Its whole environment, as of `subprocess.run`.
        plant: Prepares the process.
    """
    words = [str(argument) for argument in arguments]
    context = fork_server()
    context.set_forkserver_preload([forked_job.__name__, "timm"])  # as far as no other test has started it before
    with tempfile.TemporaryDirectory() as folder:
        out, errors = Path(folder, "out"), Path(folder, "errors")
        process = context.Process(target=_enter, args=(module, words, out, errors, dict(env or os.environ), plant))
        process.start()
        process.join()
        assert process.exitcode is not None
        return subprocess.CompletedProcess([module, *words], process.exitcode, out.read_text(), errors.read_text())


def _enter(module: str, words: list[str], out: Path, errors: Path, env: dict[str, str], plant: Plant) -> None:
    gc.freeze()  # so that no collection looks through all that the fork server has imported
    os.setsid()
    os.chdir(ROOT)
    # DataLoader workers begin as they do in a program that was started.
    multiprocessing.set_start_method("fork", force=True)
    for number, path in ((1, out), (2, errors)):
        with path.open("w") as file:
            os.dup2(file.fileno(), number)
    # Those of the fork server may believe that they are a file.
    sys.stdout, sys.stderr = (os.fdopen(number, "w", closefd=False) for number in (1, 2))
    os.environ.clear()
    os.environ.update(env)
    plant()
    sys.argv = [module, *words]
    sys.exit(importlib.import_module(module).main())
