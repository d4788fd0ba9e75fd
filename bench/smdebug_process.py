"""Runs training under smdebug's own hook in a separate process, on request."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Literal, Self

import torch

from bench.workload import Workload

_ROOT = Path(__file__).parents[1]
PYTHON = _ROOT / ".venv-smdebug" / "bin" / "python"


class SmdebugProcess:
    """The process of `bench/smdebug_steps.py`.

    Args:
        workload: What is trained.
        scratch: Directory for output.
        steps: Of a run.
    """

    def __init__(self, workload: Workload, scratch: Path, *, steps: int) -> None:
        self._log = scratch / "smdebug.log"
        request = {**vars(workload), "steps": steps, "scratch": str(scratch / "smdebug")}
        packages = Path(torch.__file__).parents[1]
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [str(PYTHON), str(_ROOT / "bench" / "smdebug_steps.py"), str(packages), json.dumps(request)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**os.environ, "SMDEBUG_LOG_LEVEL": "off"},
            )

    def run(self, what: Literal["neither", "all"]) -> float:
        """Train, without the hook or with everything saved at each step; returns seconds per step."""
        assert self._process.stdin
        assert self._process.stdout
        try:
            print(what, file=self._process.stdin, flush=True)
            answer = self._process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            sys.exit(f"smdebug's own hook failed:\n{self._log.read_text()}")
        return float(answer)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._process.communicate()
