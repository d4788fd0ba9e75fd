"""The exit codes of `slipway`, colours on a terminal, and shell completion."""

import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from slipway.errors import (
    CredentialsError,
    DeniedError,
    JobError,
    JobFailedError,
    QuotaError,
    RemoteJobError,
    SettingError,
    UnreachableError,
)
from slipway.options.exit_codes import ExitCode, exit_code

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SettingError("no role"), ExitCode.MENDABLE),
        (JobError("in use"), ExitCode.MENDABLE),
        (CredentialsError("expired"), ExitCode.REFUSED),
        (DeniedError("s3:PutObject"), ExitCode.REFUSED),
        (QuotaError("0 instances"), ExitCode.REFUSED),
        (UnreachableError("no answer"), ExitCode.REFUSED),
        (RemoteJobError("out of memory"), ExitCode.JOB_FAILED),
        (JobFailedError("out of memory"), ExitCode.JOB_FAILED),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_has_the_exit_code_of_its_kind(error, code):
    assert exit_code(error) == code


def test_an_interrupted_wait_is_an_interruption_whatever_it_says():
    def wait():
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt:
            raise RemoteJobError("the job still runs") from None

    with pytest.raises(RemoteJobError) as raised:
        wait()
    assert exit_code(raised.value) == ExitCode.INTERRUPTED


def test_the_manual_has_every_exit_code():
    page = (ROOT / "docs" / "sagemaker.md").read_text()
    listed = re.findall(r"^\| (\d+) \|", page.partition("## Exit codes")[2], re.M)
    assert [int(number) for number in listed] == [*ExitCode]


@pytest.mark.parametrize(("arguments", "code"), [(["--version"], 0), (["jobs", "--limit", "0"], 2), (["nothing"], 2)])
def test_usage_has_its_code(slipway_here, arguments, code):
    assert slipway_here(*arguments).returncode == code


def test_missing_credentials_are_a_refusal(slipway_here, monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    done = slipway_here("jobs", "--region", "eu-west-1")
    assert done.returncode == 3
    assert "no working AWS credentials were found" in done.stderr


def test_ctrl_c_ends_with_130(tmp_path):
    """While standard input is awaited, by a program that has the command read it."""
    program = "import sys, click; from slipway import cli\nfrom slipway.images.command import images\n"
    program += "images.callback = lambda as_json: (print('waiting', flush=True), sys.stdin.read())\n"
    process = subprocess.Popen(
        [sys.executable, "-c", f"{program}sys.argv = ['slipway', 'images']; cli.main()"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout.readline() == "waiting\n"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate()
    assert process.returncode == 130
    assert errors.strip() == "Error: interrupted"


def on_terminal(*arguments: str, cwd: Path, **environment: str) -> str:
    """What a command prints on a terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "slipway", *arguments],
        cwd=cwd, env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", **environment},
        stdin=theirs, stdout=theirs, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    said = b""
    try:
        while part := os.read(ours, 65536):
            said += part
    except OSError:
        pass  # Linux's way of saying that the other side has closed it
    process.wait()
    os.close(ours)
    return said.decode()


@pytest.mark.parametrize("arguments", [["doctor"], ["images", "--no"]], ids=" ".join)
def test_no_color_is_honoured(tmp_path, monkeypatch, arguments):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[" not in on_terminal(*arguments, cwd=tmp_path, NO_COLOR="1")
    if arguments == ["doctor"]:
        assert "\x1b[" in on_terminal(*arguments, cwd=tmp_path)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script_for_the_shell(slipway_here, shell):
    done = slipway_here("completion", shell)
    assert done.returncode == 0
    assert f"_SLIPWAY_COMPLETE={shell}_complete" in done.stdout


def test_the_completion_script_completes_in_bash(slipway_here, tmp_path):
    script = tmp_path / "slipway.bash"
    script.write_text(slipway_here("completion", "bash").stdout)
    (tmp_path / "slipway").write_text(f'#!/bin/sh\nexec {sys.executable} -m slipway "$@"\n')
    (tmp_path / "slipway").chmod(0o755)
    ask = "COMP_WORDS=(slipway doc); COMP_CWORD=1; _slipway_completion slipway; echo ${COMPREPLY[@]}"
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(["bash", "-c", f"source {script}; {ask}"], env=environment, capture_output=True, text=True)
    assert done.stdout.strip() == "doctor", done.stderr
