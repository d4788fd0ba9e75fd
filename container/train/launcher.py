"""`train`: what SageMaker starts in the training image.

It runs the sagemaker-training toolkit and finishes what the toolkit leaves undone: signals reach the script, the
failure file names the cause, the exit code is the script's, and no process is left behind.
"""

import os

from container.first_process import end_when_asked

if os.getpid() == 1:
    end_when_asked()  # before the other imports, which take their time

import argparse
import contextlib
import json
import signal
import subprocess
import sys
import tempfile
import threading
from collections import deque
from pathlib import Path
from types import FrameType
from typing import IO

from container import gpu
from container.errors import DriverError
from container.paths import MlPaths
from container.processes import adopt_orphans, children, kill_descendants, kill_tree, wait_as_init
from container.train.failure import (
    EXIT_CODE_FILE,
    compose,
    describe_signal,
    find_exception,
    script_lines,
    write_failure,
)

# StopTrainingJob sends SIGTERM and kills 120 s later; what is left then is the time to upload.
STOP_BUDGET_S = 100.0
_TAIL_LINES = 200
_SHELLS = frozenset(("sh", "bash", "dash"))


def main() -> int:
    """Run a training job; returns the exit code: the script's, or 128 + n where signal n ended it."""
    parser = argparse.ArgumentParser(
        prog="train",
        description="Run the training job that is described below /opt/ml, or below SAGEMAKER_BASE_DIR.",
        epilog="example: SAGEMAKER_BASE_DIR=$PWD/job train",
    )
    parser.add_argument("train", nargs="?", choices=["train"], help="the argument with which SageMaker starts it")
    parser.parse_args()
    paths = MlPaths.from_environment()
    if os.getpid() == 1 and os.geteuid() == 0:
        # In a container, whose files are the host's root's: whoever mounted the directories, as the SDK's local mode
        # does, shall be able to delete what the job leaves there. Nobody else works in the container.
        os.umask(0)
    try:
        for earlier in (paths.failure, paths.failure.with_name("success")):
            earlier.unlink(missing_ok=True)
        complete_directories(paths)
    except OSError as error:
        sys.stderr.write(f"train: the job below {paths.base} cannot be started: {error}\n")
        return 1
    try:
        with_gpu = gpu.is_wanted()
    except DriverError as error:
        return _refuse(paths, str(error))
    with tempfile.TemporaryDirectory(prefix="slipway-train-") as scratch:
        return Toolkit(paths, Path(scratch) / "exit-code", with_gpu=with_gpu).run()


def _refuse(paths: MlPaths, why: str) -> int:
    _write_failure(paths, why)
    sys.stderr.write(f"train: {why}\n")
    return 1


def _write_failure(paths: MlPaths, text: str) -> None:
    try:
        write_failure(paths.failure, text)
    except OSError as error:
        sys.stderr.write(f"train: the failure file cannot be written: {error}\n")


def complete_directories(paths: MlPaths) -> None:
    """Make the directories and configuration files that a plain `docker run` or a hand-made job may lack.

    Raises:
        OSError: One is missing and its directory cannot be written.
    """
    for directory in (paths.model, paths.output_data):
        directory.mkdir(parents=True, exist_ok=True)
    channels = sorted(path.name for path in paths.channels.iterdir()) if paths.channels.is_dir() else []
    defaults = {
        "hyperparameters.json": {},
        "inputdataconfig.json": {name: {"TrainingInputMode": "File"} for name in channels},
        "resourceconfig.json": {"current_host": "algo-1", "hosts": ["algo-1"], "network_interface_name": "eth0"},
    }
    for name, content in defaults.items():
        if not (paths.config / name).exists():
            paths.config.mkdir(parents=True, exist_ok=True)
            (paths.config / name).write_text(json.dumps(content))


class Toolkit:
    """The sagemaker-training toolkit as a child process, in a session of its own."""

    def __init__(self, paths: MlPaths, exit_code_file: Path, *, with_gpu: bool) -> None:
        self.paths = paths
        self.exit_code_file = exit_code_file
        self.with_gpu = with_gpu
        self.process: subprocess.Popen[bytes] | None = None
        self.tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self.asked_by = 0
        """The signal that asked for the end; 0 until one did."""

    def run(self) -> int:
        adopt_orphans()
        environment = {
            **os.environ,
            "SAGEMAKER_BASE_DIR": str(self.paths.base),
            "SAGEMAKER_TRAINING_MODULE": os.environ.get("SAGEMAKER_TRAINING_MODULE", "container.train.toolkit:main"),
            "PYTHONUNBUFFERED": "1",
            EXIT_CODE_FILE: str(self.exit_code_file),
            # For scripts, which ask torch.
            **({} if self.with_gpu else {"CUDA_VISIBLE_DEVICES": ""}),
        }
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._forward)
        process = self.process = subprocess.Popen(
            [sys.executable, "-m", "sagemaker_training.cli.train"],
            env=environment,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        if self.asked_by:  # while the toolkit was being started
            kill_tree()
        assert process.stderr is not None
        reader = threading.Thread(target=self._read, args=(process.stderr,), daemon=True)
        reader.start()
        wait_as_init(process.pid)
        code = process.wait()
        kill_descendants()
        reader.join(timeout=5)
        return self._finish(self._script_exit_code(code))

    def _read(self, stream: IO[bytes]) -> None:
        for line in stream:
            sys.stderr.buffer.write(line)
            sys.stderr.buffer.flush()
            self.tail.append(line.decode(errors="replace").rstrip("\n"))

    def _forward(self, number: int, _frame: FrameType | None) -> None:
        """Ask the script to end; the toolkit is left alone, since it would die and lose the script's exit code."""
        asked_before, self.asked_by = self.asked_by, number
        if self.process is None:
            return
        scripts = _scripts(self.process.pid)
        if asked_before or not scripts:
            kill_tree()
            return
        timer = threading.Timer(STOP_BUDGET_S, kill_tree)
        timer.daemon = True
        timer.start()
        for script in scripts:
            with contextlib.suppress(ProcessLookupError):
                os.kill(script, number)
        sys.stderr.write(f"train: {signal.Signals(number).name}: asking the training script to end\n")

    def _script_exit_code(self, toolkit_code: int) -> int:
        try:
            code = int(self.exit_code_file.read_text())
        except (OSError, ValueError):  # no script ran
            code = toolkit_code
        if code == 0 and not self.asked_by:  # else a signal may have ended the toolkit after the script's good end
            code = toolkit_code
        if code == -signal.SIGKILL and self.asked_by:  # by us, because it did not end when it was asked to
            code = -self.asked_by
        return 128 - code if code < 0 else code

    def _finish(self, code: int) -> int:
        if code == 0:
            return 0
        written = self.paths.failure.read_text(errors="replace") if self.paths.failure.exists() else ""
        if not written or written.startswith("Framework Error") or 'ErrorMessage ""' in written:
            written = self._cause(code, written)
            self.paths.failure.unlink(missing_ok=True)
        _write_failure(self.paths, written)
        sys.stderr.write(f"train: the job failed with exit code {code}: {written}\n")
        return code

    def _cause(self, code: int, toolkit_text: str) -> str:
        lines = script_lines(list(self.tail))
        if toolkit_text.startswith("Framework Error"):  # the toolkit itself failed; its text holds the traceback
            lines = toolkit_text.splitlines()
        output = "\n".join(lines)
        if code > 128 and code - 128 in list(signal.Signals):
            return compose(describe_signal(code - 128), output)
        if found := find_exception(lines):
            return compose(*found)
        last = next((line for line in reversed(lines) if line.strip()), "it wrote nothing")
        what = "installing what the script requires" if toolkit_text.startswith("Install") else "the training script"
        return compose(f"{what} ended with exit code {code}: {last.strip()}", output)


def _scripts(toolkit: int) -> list[int]:
    """Process ids of the user's script: the toolkit's child, and what a shell script started in turn."""
    found = children(toolkit)
    for pid in found:
        if _name(pid) in _SHELLS:
            found += children(pid)
    return found


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:  # it has ended
        return ""


if __name__ == "__main__":
    sys.exit(main())
