"""The commands for AWS need nothing that only POSIX systems have.

This is a simulation, since the tests run on Linux: a process in which the modules that Windows lacks cannot be imported
and the members of os, signal, socket and select that it lacks are gone, imports the host side and runs commands.
What Windows itself does differently, such as its files and its console, is not shown by it.
"""

import subprocess
import sys
from pathlib import Path, PureWindowsPath

import pytest

from slipway.files.paths_below import path_below

ROOT = Path(__file__).parents[2]

WINDOWS = """
import sys

# Loaded before the members are taken away: on Windows these have code of their own for it, chosen by sys.platform.
import asyncio, concurrent.futures, ctypes, multiprocessing, os, select, signal, socket, subprocess, tempfile
import boto3, botocore.session, click, rich.console, urllib3
import botocore.httpsession

MODULES = ("fcntl", "grp", "posix_ipc", "pty", "pwd", "resource", "spwd", "syslog", "termios", "tty")
MEMBERS = {
    os: "chown chroot fork forkpty getegid geteuid getgid getloadavg getpgid getpriority getuid initgroups killpg "
    "lchown major mkfifo nice pidfd_open register_at_fork sched_getaffinity setpgid setsid setuid statvfs sysconf "
    "uname wait wait3 wait4 waitid O_DIRECTORY O_NOFOLLOW WNOHANG P_ALL WEXITED WNOWAIT",
    signal: "SIGALRM SIGCHLD SIGCONT SIGHUP SIGKILL SIGPIPE SIGQUIT SIGSTOP SIGTSTP SIGUSR1 SIGUSR2 SIGWINCH alarm "
    "getitimer pause pthread_kill pthread_sigmask setitimer sigwait",
    socket: "AF_UNIX AF_NETLINK CMSG_LEN SCM_RIGHTS SO_REUSEPORT",
    select: "epoll",
}


class Absent:
    def find_spec(self, name, path=None, target=None):
        if name in MODULES:
            raise ModuleNotFoundError(f"Windows has no {name}", name=name)


def library(name, *arguments, load=ctypes.CDLL.__init__, **options):
    if arguments[0] is None:
        raise TypeError("Windows cannot load the library None")
    load(name, *arguments, **options)


for module, names in MEMBERS.items():
    for name in names.split():
        if hasattr(module, name):
            delattr(module, name)
for name in MODULES:
    sys.modules.pop(name, None)
sys.meta_path.insert(0, Absent())
ctypes.CDLL.__init__ = library
"""

SDK = """
import sagemaker.estimator, sagemaker.local, sagemaker.tuner, sagemaker.predictor, sagemaker.debugger
"""
IMPORT_ALL = """
import importlib, pkgutil
import slipway
for found in pkgutil.walk_packages(slipway.__path__, "slipway."):
    # The adapters each need their own version of the SDK.
    if not found.name.endswith("__main__") and not found.name.startswith(("slipway.sdk2", "slipway.sdk3")):
        importlib.import_module(found.name)
print(len([name for name in sys.modules if name.startswith("slipway")]))
"""


def on_windows(program: str, *arguments: str, cwd: Path = ROOT, before: str = "") -> subprocess.CompletedProcess[str]:
    """Run a program where POSIX's own is missing; `before` runs while it is still there."""
    start = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{before}\n"
    return subprocess.run(
        [sys.executable, "-c", start + WINDOWS + program, *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
    )


def slipway_on_windows(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return on_windows("from slipway.cli import main; main()", *arguments, cwd=cwd)


def test_the_simulation_lacks_what_windows_lacks():
    for gone in (
        "import fcntl",
        "import os; os.fork()",
        "import signal; signal.SIGHUP",
        "import ctypes; ctypes.CDLL(None)",
    ):
        assert on_windows(gone).returncode != 0


def test_every_module_of_the_host_side_can_be_imported():
    done = on_windows(IMPORT_ALL, before=SDK)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) > 100


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["init", "--dry-run", "--region", "eu-west-1"],
        ["completion", "bash"],
        ["images"],
        ["data", "upload", "dogs", "s3://my-dogs", "--dry-run"],
    ],
    ids=" ".join,
)
def test_commands_for_aws_run(tmp_path, monkeypatch, arguments):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "dogs" / "train" / "poodle").mkdir(parents=True)
    (tmp_path / "dogs" / "train" / "poodle" / "1.jpg").write_bytes(b"jpeg")
    done = slipway_on_windows(*arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_a_job_on_sagemaker_is_composed(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    role = "arn:aws:iam::111122223333:role/slipway-execution"
    image = "111122223333.dkr.ecr.eu-west-1.amazonaws.com/slipway:train"
    named = ["--region", "eu-west-1", "--role", role, "--image", image, "--instance-type", "ml.g4dn.xlarge"]
    done = on_windows(
        "from slipway.cli import main; main()",
        "train", "s3://my-dogs/dogImages", "--dry-run", *named,
        cwd=tmp_path, before=SDK,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert '"S3Uri": "s3://my-dogs/dogImages/train"' in done.stdout


def test_doctor_examines_a_windows_machine(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))  # Python's own way of starting programs is another on Windows
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    done = slipway_on_windows("doctor", cwd=tmp_path)
    assert "This machine" in done.stdout, done.stderr
    assert "Traceback" not in done.stderr


def test_training_here_says_that_it_needs_linux(colours, tmp_path):
    done = slipway_on_windows("train", str(colours), cwd=tmp_path)
    assert done.returncode == 1
    assert "need Linux" in done.stderr
    assert "--instance-type" in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "name", ["../1.png", "a/../../1.png", "/1.png", r"..\1.png", r"a\..\..\1.png", r"C:\1.png", "D:1.png", "a/D:1", ""]
)
def test_a_name_from_a_bucket_cannot_leave_the_folder(name):
    assert path_below(PureWindowsPath(r"C:\dogs"), name) is None


def test_a_name_from_a_bucket_is_below_the_folder():
    assert path_below(PureWindowsPath(r"C:\dogs"), "train/poodle/1.png") == PureWindowsPath(
        r"C:\dogs\train\poodle\1.png"
    )
    assert path_below(Path("dogs"), r"train/C:\1.png") == Path("dogs") / "train" / r"C:\1.png"
