"""`train`: the command that SageMaker runs in the training image.

It runs the sagemaker-training toolkit and does what the toolkit does not: signals reach the script, the failure file
names the cause, the exit code is the script's, and no process is left behind.
"""

import os

from container.first_process import exit_on_signals

if os.getpid() == 1:
    exit_on_signals()  # before the other imports, which are slow

import argparse
import codecs
import contextlib
import json
import re
import signal
import subprocess
import sys
import tempfile
import threading
from dataclasses import replace
from pathlib import Path
from types import FrameType

from container import gpu
from container.contract.errors import DriverError
from container.contract.paths import MlPaths
from container.processes import adopt_orphans, children, kill_descendants, kill_tree, wait_as_init
from container.train.launch.cause import explain, find_exception
from container.train.launch.failure import EXIT_CODE_FILE, compose, describe_signal, write_failure
from container.train.launch.log_tail import Line, LogTail

# StopTrainingJob sends SIGKILL 120 s after SIGTERM; the rest is for the upload.
STOP_BUDGET_S = 100.0
_TRAINING_MODULE = "container.train.launch.toolkit:main"

_SHELLS = frozenset(("sh", "bash", "dash"))

# The toolkit's log lines, and ours in its process.
_TOOLKIT = re.compile(r"^[-\d]{10} [:,\d]{12} (sagemaker-training-toolkit|container\.train\.[\w.]+) ")
_COMMAND = "Invoking script with the following command:"
# It may follow on a line that the script did not end.
_VERDICT = re.compile(r"[-\d]{10} [:,\d]{12} sagemaker-training-toolkit .*Reporting training FAILURE")


def main() -> int:
    """Run a training job; returns the exit code: the script's, or 128 + n if signal n killed it."""
    parser = argparse.ArgumentParser(
        prog="train",
        description="Run the training job that is described below /opt/ml, or below SAGEMAKER_BASE_DIR.",
        epilog="example: SAGEMAKER_BASE_DIR=$PWD/job train",
    )
    parser.add_argument("train", nargs="?", choices=["train"], help="the argument with which SageMaker starts it")
    parser.parse_args()
    paths = MlPaths.from_environment()
    if os.getpid() == 1 and os.geteuid() == 0:
        # In a container files belong to the host's root. Whoever mounted the directories, as the SDK's local mode does,
        # must be able to delete what the job leaves there. The container has no other users.
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
    try:
        directory = _temporary_directory(paths)
    except OSError as error:
        return _refuse(
            paths,
            f"temporary files cannot be written anywhere ({error.strerror or error}): mount a writable /tmp (docker "
            "run --tmpfs /tmp), or set TMPDIR to a directory that can be written",
        )
    with directory as scratch:
        return Toolkit(paths, Path(scratch) / "exit-code", with_gpu=with_gpu).run()


def _temporary_directory(paths: MlPaths) -> tempfile.TemporaryDirectory[str]:
    """Make a directory for the launcher's own files; without a writable /tmp, it becomes TMPDIR.

    Raises:
        OSError: The job's directories cannot be written either.
    """
    prefix = "slipway-train-"
    try:
        return tempfile.TemporaryDirectory(prefix=prefix)
    except OSError as error:
        # SageMaker uploads neither.
        for parent in (paths.base, paths.failure.parent):
            with contextlib.suppress(OSError):
                directory = tempfile.TemporaryDirectory(prefix=prefix, dir=parent)
                os.environ["TMPDIR"] = directory.name
                sys.stderr.write(f"train: there is no writable /tmp; temporary files go to {directory.name}\n")
                return directory
        raise error from None


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
    """Create the directories and configuration files that a plain `docker run` or a hand-made job may lack.

    Raises:
        OSError: One is missing and cannot be created, or cannot be read.
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
    hyperparameters = paths.config / "hyperparameters.json"
    text = hyperparameters.read_bytes()
    if text.startswith(codecs.BOM_UTF8):  # from a Windows editor; the toolkit fails on it
        hyperparameters.write_bytes(text.removeprefix(codecs.BOM_UTF8))


class Toolkit:
    """Runs the sagemaker-training toolkit as a child process, in a session of its own."""

    def __init__(self, paths: MlPaths, exit_code_file: Path, *, with_gpu: bool) -> None:
        self.paths = paths
        self.exit_code_file = exit_code_file
        self.with_gpu = with_gpu
        self.process: subprocess.Popen[bytes] | None = None
        self.tails: tuple[LogTail, ...] = ()
        """The tails of stdout and stderr."""
        self.asked_by = 0
        """The signal that asked the job to end; 0 before."""

    def run(self) -> int:
        adopt_orphans()
        environment = {
            **os.environ,
            "SAGEMAKER_BASE_DIR": str(self.paths.base),
            "SAGEMAKER_TRAINING_MODULE": os.environ.get("SAGEMAKER_TRAINING_MODULE", _TRAINING_MODULE),
            "PYTHONUNBUFFERED": "1",
            EXIT_CODE_FILE: str(self.exit_code_file),
            # For user scripts, which ask torch.
            **({} if self.with_gpu else {"CUDA_VISIBLE_DEVICES": ""}),
        }
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._forward)
        process = self.process = subprocess.Popen(
            [sys.executable, "-m", "sagemaker_training.cli.train"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        if self.asked_by:  # while the toolkit was starting
            kill_tree()
        assert process.stdout is not None
        assert process.stderr is not None
        self.tails = (LogTail(process.stdout, sys.stdout.fileno()), LogTail(process.stderr, sys.stderr.fileno()))
        wait_as_init(process.pid)
        code = process.wait()
        kill_descendants()
        for tail in self.tails:
            tail.wait(timeout_s=5)
        return self._finish(self._script_exit_code(code))

    def _forward(self, number: int, _frame: FrameType | None) -> None:
        """Forward the signal to the script, not to the toolkit, which would die and lose the script's exit code."""
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
        if code == 0 and not self.asked_by:  # otherwise a signal may have killed the toolkit after the script succeeded
            code = toolkit_code
        if code == -signal.SIGKILL and self.asked_by:  # by us, because it did not exit when asked to
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
        if toolkit_text.startswith("Framework Error"):  # the toolkit itself failed
            return compose(*(find_exception(toolkit_text) or (toolkit_text, "")))
        stdout, stderr = (tail.lines() for tail in self.tails)
        # Without the toolkit's own lines.
        stdout, stderr = [line for line in stdout if not line.text.startswith("GPU: ")], script_lines(stderr)
        if code > 128 and code - 128 in list(signal.Signals):
            return compose(describe_signal(code - 128), "\n".join(line.text for line in stderr))
        if toolkit_text.startswith("Install"):
            last = next((line.text for line in reversed(stderr) if line.text.strip()), "it wrote nothing")
            return compose(f"installing what the script requires ended with exit code {code}: {last.strip()}")
        return compose(*explain(stdout, stderr, code))


def script_lines(stderr: list[Line]) -> list[Line]:
    """Select what the script itself wrote: the toolkit logs before it starts and after it has failed."""
    numbers = range(len(stderr))
    end, last = next(
        ((n, stderr[n].text[: found.start()]) for n in numbers if (found := _VERDICT.search(stderr[n].text))),
        (len(stderr), ""),
    )
    start = max((n + 1 for n in numbers[:end] if _TOOLKIT.match(stderr[n].text)), default=0)
    command = next((n for n in numbers[start:end] if stderr[n].text == _COMMAND), None)
    if command is not None:
        # Two empty lines follow the command.
        start = next((n + 2 for n in numbers[command + 2 : end - 1] if not stderr[n].text + stderr[n + 1].text), start)
    return stderr[start:end] + ([replace(stderr[end], text=last)] if last else [])


def _scripts(toolkit: int) -> list[int]:
    """Find the process ids of the user's script: the toolkit's child, and what a shell script started in turn."""
    found = children(toolkit)
    for pid in found:
        if _name(pid) in _SHELLS:
            found += children(pid)
    return found


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:  # it has exited
        return ""


if __name__ == "__main__":
    sys.exit(main())
