"""What the launcher adds to the toolkit: signals, failure file, exit codes, no orphans; and script mode."""

import ctypes
import json
import os
import shlex
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from container.contract.errors import HyperparameterError
from container.contract.paths import MlPaths
from container.train.launch.script_runner import choose_runner
from container.train.launcher import complete_directories
from tests.first_process import as_first_process, first_process
from tests.nvml import OLD_DRIVER, build_nvml_stub
from tests.train.conftest import LAUNCHER, SMALL, JobDirectory
from tests.train.forked_job import run_program

Script = Callable[[str], None]

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
def script(job: JobDirectory, tmp_path: Path) -> Script:
    """`script("print(1)")` makes the job run this instead of our program, as SDK v2 asks for it."""

    def write(code: str) -> None:
        source = tmp_path / "source"
        source.mkdir()
        (source / "user.py").write_text(textwrap.dedent(code))
        job.hyperparameters({"sagemaker_program": '"user.py"', "sagemaker_submit_directory": json.dumps(str(source))})

    return write


def read_until(stream: object, text: str) -> str:
    """Read a process's output up to a line that holds `text`; returns the line."""
    for line in stream:  # type: ignore[attr-defined]
        if text in line:
            return str(line)
    raise AssertionError(f"the output ended without {text!r}")


def test_a_users_script_gets_the_toolkits_environment_and_its_hyperparameters(job: JobDirectory, tmp_path: Path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "helper.py").write_text("ANSWER = 42\n")
    (source / "user.py").write_text(
        textwrap.dedent(
            """
            import json, os, sys, helper
            json.dump({"argv": sys.argv[1:], "env": dict(os.environ), "answer": helper.ANSWER},
                      open(os.path.join(os.environ["SM_MODEL_DIR"], "seen.json"), "w"))
            """
        )
    )
    (job.base / "input" / "data" / "train").mkdir()
    hostile = """$(touch /tmp/slipway-injected); `id` '" two  words \n;echo"""
    result = job.run(
        {
            "sagemaker_program": "user.py",
            "sagemaker_submit_directory": str(source),
            "name": json.dumps(hostile),
            "epochs": "3",
        }
    )
    assert result.code == 0, result.log
    seen = json.loads((job.model / "seen.json").read_text())
    assert seen["argv"] == ["--epochs", "3", "--name", hostile]
    assert not Path("/tmp/slipway-injected").exists()
    environment = seen["env"]
    assert environment["SM_CHANNEL_TRAIN"] == str(job.base / "input" / "data" / "train")
    assert environment["SM_MODEL_DIR"] == str(job.model)
    assert environment["SM_OUTPUT_DATA_DIR"] == str(job.data)
    assert json.loads(environment["SM_HPS"])["epochs"] == 3
    assert environment["SM_CURRENT_HOST"] == "algo-1"


def test_program_and_source_may_also_be_named_by_the_environment(job: JobDirectory, tmp_path: Path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "user.py").write_text("print('the script ran')\n")
    job.environment = {"SAGEMAKER_PROGRAM": "user.py", "SAGEMAKER_SUBMIT_DIRECTORY": str(source)}
    result = job.run({})
    assert result.code == 0, result.log
    assert "the script ran" in result.stdout


def test_an_exception_is_first_in_the_failure_file(job: JobDirectory, script: Script):
    script(
        """
        def load():
            raise ValueError("the label file has 12 columns")

        print("working")
        try:
            {}["missing"]
        except KeyError as error:
            load()
        """
    )
    result = job.run()
    assert result.code == 1
    assert job.failure.startswith("ValueError: the label file has 12 columns\n")
    assert "in load" in job.failure
    assert len(job.failure) <= 1024
    assert "ExecuteUserScriptError" not in job.failure


def test_all_of_a_message_and_what_came_after_a_handled_exception_are_kept(job: JobDirectory, script: Script):
    script(
        """
        import logging, sys
        try:
            {}["retry"]
        except KeyError:
            logging.exception("cache miss, going on")
        sys.exit("no data in the bucket: set DATA_URI")
        """
    )
    assert job.run().code == 1
    assert job.failure.startswith("the training script ended with exit code 1: no data in the bucket: set DATA_URI\n")
    assert "sagemaker-training-toolkit" not in job.failure


def test_requirements_that_cannot_be_installed_say_why(job: JobDirectory, tmp_path: Path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "user.py").write_text("print('ran')\n")
    (source / "requirements.txt").write_text("./nope\n")
    result = job.run({"sagemaker_program": "user.py", "sagemaker_submit_directory": str(source)})
    assert result.code == 1
    assert job.failure.startswith("installing what the script requires ended with exit code 1: ")
    assert "nope" in job.failure


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("sagemaker_mpi_enabled", "true", "MPI (hyperparameter sagemaker_mpi_enabled), and this image has no "),
        ("sagemaker_distributed_dataparallel_enabled", "true", "SageMaker's data parallel library"),
        ("mp_parameters", {"partitions": 2}, "SageMaker's model parallel library"),
        ("sagemaker_parameter_server_enabled", "True", "parameter servers, which are TensorFlow's"),
    ],
)
def test_a_distribution_that_cannot_be_had_is_refused(name: str, value: object, why: str):
    with pytest.raises(HyperparameterError) as refused:
        choose_runner({name: value}, {name: value})
    assert str(refused.value).startswith(f"the job asks for {why}")
    assert 'use distribution={"torch_distributed": {"enabled": True}}' in str(refused.value)


def test_a_distribution_that_cannot_be_had_is_refused_before_the_script_runs(job: JobDirectory, script: Script):
    script("print('ran')")
    path = job.base / "input" / "config" / "hyperparameters.json"
    result = job.run({**json.loads(path.read_text()), "mp_parameters": '{"partitions": 2}'})
    assert result.code == 1
    assert job.failure.startswith("the job asks for SageMaker's model parallel library")
    assert "\n" not in job.failure
    assert "ran\n" not in result.stdout


def test_torchrun_starts_python_alone(job: JobDirectory, tmp_path: Path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "run.sh").write_text("echo ran\n")
    values = {"sagemaker_program": "run.sh", "sagemaker_submit_directory": str(source)}
    assert job.run({**values, "sagemaker_torch_distributed_enabled": "true"}).code == 1
    assert job.failure.startswith(
        "the job asks for torch_distributed, which starts Python scripts, and run.sh is not one: name a .py file"
    )


def test_a_relative_base_directory_is_the_callers(job: JobDirectory):
    job.environment = {"SAGEMAKER_BASE_DIR": os.path.relpath(job.base)}
    result = job.run({"epoch": "3"})
    assert result.code == 1
    assert job.failure.startswith("there is no hyperparameter epoch")


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_the_scripts_exit_code_is_the_jobs_and_its_last_line_the_cause(job: JobDirectory, script: Script, stream: str):
    script(f"import sys; sys.{stream}.write('loading\\rno input'); sys.exit(3)")
    result = job.run()
    assert result.code == 3
    assert job.failure.startswith("the training script ended with exit code 3: no input\n")
    assert "loading\nno input" in getattr(result, stream)  # `\r` is read as a line's end


def test_a_killed_script_is_128_plus_the_signal_with_a_hint(job: JobDirectory, script: Script):
    script("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    result = job.run()
    assert result.code == 137
    assert job.failure.startswith("the training process was killed by SIGKILL (exit code 137)")
    assert "out of memory: lower batch-size" in job.failure


def test_a_failure_file_that_the_script_wrote_is_kept(job: JobDirectory, script: Script):
    script(
        """
        import os, sys
        open(os.path.join(os.environ["SAGEMAKER_BASE_DIR"], "output", "failure"), "w").write("my own words")
        sys.exit(1)
        """
    )
    assert job.run().code == 1
    assert job.failure == "my own words"


def test_a_script_that_is_not_there(job: JobDirectory):
    result = job.run({"sagemaker_program": "absent.py", "sagemaker_submit_directory": str(job.base)})
    assert result.code != 0
    assert "absent.py" in job.failure


def test_sigterm_reaches_the_script_and_its_exit_code_comes_back(job: JobDirectory, script: Script):
    script(
        """
        import pathlib, os, signal, sys
        def stop(number, frame):
            pathlib.Path(os.environ["SM_MODEL_DIR"], "saved").touch()
            sys.exit(0)
        signal.signal(signal.SIGTERM, stop)
        print("ready", flush=True)
        while True:
            signal.pause()
        """
    )
    process = job.start()
    read_until(process.stdout, "ready")
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert process.returncode == 0
    assert (job.model / "saved").exists()
    assert not (job.base / "output" / "failure").exists()
    assert job.processes() == []


def test_sigterm_passes_through_a_shell_script(job: JobDirectory, tmp_path: Path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "run.sh").write_text(
        "#!/bin/bash\necho ready\npython3 - <<'X'\n"
        + textwrap.dedent(
            """
        import os, signal, sys
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        print("python is ready", flush=True)
        while True:
            signal.pause()
        """
        )
        + "X\n"
    )
    job.hyperparameters({"sagemaker_program": "run.sh", "sagemaker_submit_directory": str(source)})
    process = job.start()
    read_until(process.stdout, "python is ready")
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert process.returncode in (0, 143)  # whether bash had time to see python's exit code
    assert job.processes() == []


def test_a_script_that_ignores_sigterm_is_ended_by_the_second(job: JobDirectory, script: Script):
    script(
        """
        import signal, subprocess, sys
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        subprocess.Popen(["sleep", "1000"], start_new_session=True)
        print("ready", flush=True)
        while True:
            signal.pause()
        """
    )
    process = job.start()
    read_until(process.stdout, "ready")
    process.send_signal(signal.SIGTERM)
    read_until(process.stderr, "asking the training script to end")
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert process.returncode == 143
    assert "killed by SIGTERM" in job.failure
    assert job.processes() == []


def test_what_a_script_leaves_running_is_ended(job: JobDirectory, script: Script):
    script(
        """
        import subprocess, sys
        child = subprocess.Popen(["sleep", "1000"], start_new_session=True)
        print("left", child.pid, flush=True)
        """
    )
    result = job.run()
    assert result.code == 0
    pid = int(result.stdout.split("left ")[1].split()[0])
    assert not psutil.pid_exists(pid)


def test_sdk_v3_starts_a_script_through_bash_without_the_launcher(job: JobDirectory, tmp_path: Path):
    """SDK v3 replaces the entry point by `bash -c`, exports the SM_* variables itself and runs the user's command:
    our program, run so, finds the job and writes its own failure file."""
    job.hyperparameters({"epoch": "3"})
    job.environment = {"SM_MODEL_DIR": str(job.model)}
    process = job.start(["/bin/bash", "-c", f"set -e; {sys.executable} -m container.train.program"])
    stdout, _ = process.communicate()
    assert process.returncode == 1
    assert "there is no hyperparameter epoch; did you mean epochs?" in stdout
    assert job.failure == "there is no hyperparameter epoch; did you mean epochs?"


def test_hyperparameters_that_are_no_json(job: JobDirectory):
    (job.base / "input" / "config" / "hyperparameters.json").write_text("{not json")
    result = job.run()
    assert result.code == 1
    assert "hyperparameters.json" in job.failure or "JSON" in job.failure


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_a_model_directory_that_cannot_be_written(job: JobDirectory, image_folder: Callable[..., Path]):
    job.channel("train", image_folder("train", red=4, blue=4))
    job.model.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(job.model)], check=True)
    try:
        result = job.run({})
    finally:
        subprocess.run(["umount", str(job.model)], check=True)
    assert result.code == 1
    assert job.failure.startswith(f"the model cannot be written to {job.model}: read-only file system; make the")


_NAMESPACE = ["unshare", "--mount"]
may_mount = pytest.mark.skipif(
    subprocess.run([*_NAMESPACE, "true"], capture_output=True, check=False).returncode != 0,
    reason="mounting in a namespace of one's own is not allowed here",
)


def start_with_mounts(job: JobDirectory, mounts: str) -> subprocess.Popen[str]:
    """The launcher, where shell commands have mounted something that it alone sees."""
    command = f"set -e; {mounts}; exec {shlex.join(LAUNCHER)}"
    return job.start([*_NAMESPACE, "bash", "-c", command])


def small_shared_memory() -> None:
    """Give this process a /dev/shm of its own, of 1 MB, that no other process sees."""
    assert ctypes.CDLL(None).unshare(0x00020000) == 0  # CLONE_NEWNS
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", "/dev/shm"], check=True)


@may_mount
def test_shared_memory_as_small_as_dockers_is_enough(job: JobDirectory, image_folder: Callable[..., Path]):
    job.channel("train", image_folder("train", red=30, blue=30))
    values = {**SMALL, "image-size": "64", "batch-size": "16", "epochs": "1", "num-workers": "2"}
    result = run_program(job, values, small_shared_memory)
    assert result.code == 0, result.log
    stdout = result.stdout
    assert (
        "/dev/shm has 1 MB of shared memory free, and the batches of 2 DataLoader workers need 2 MB: 2 of them"
        in stdout
    )
    assert "pass their batches through files below " in stdout
    assert "start Docker with --shm-size=" in stdout


_READ_ONLY = "mount --bind {base} /mnt; mount -t tmpfs -o ro tmpfs /tmp; mount -t tmpfs -o ro tmpfs /var/tmp; cd /proc"


@may_mount
@pytest.mark.parametrize("writable", [True, False])
def test_a_system_without_a_writable_tmp(job: JobDirectory, writable: bool):
    job.hyperparameters({"epoch": "3"})
    complete_directories(MlPaths(job.base))
    mounts = _READ_ONLY.format(base=job.base) + ("" if writable else "; mount -o remount,bind,ro /mnt")
    job.environment = {"PYTHONPATH": str(REPOSITORY), "SAGEMAKER_BASE_DIR": "/mnt"}
    process = start_with_mounts(job, mounts)
    stdout, stderr = process.communicate()
    assert process.returncode == 1, stdout + stderr
    if writable:
        assert job.failure.startswith("there is no hyperparameter epoch")
        assert not list(job.base.glob("slipway-*"))
    else:
        assert stderr.startswith("train: the job below /mnt cannot be started: [Errno 30] Read-only file system: ")
        assert stderr.count("\n") == 1


def test_help_works_anywhere():
    result = subprocess.run(
        [sys.executable, "-m", "container.train.launcher", "--help"], capture_output=True, text=True, check=True
    )
    assert "example: SAGEMAKER_BASE_DIR=$PWD/job train" in result.stdout


def test_orphans_are_reaped_while_the_job_runs(job: JobDirectory, script: Script):
    """A process whose parent has ended becomes the launcher's, as it would the first process's of a container."""
    script(
        """
        import os, signal, subprocess, sys
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        orphans = [subprocess.run("sleep 0.1 & echo $!", shell=True, capture_output=True).stdout for _ in range(5)]
        print("orphans", *(int(pid) for pid in orphans), flush=True)
        while True:
            signal.pause()
        """
    )
    process = job.start()
    orphans = [int(pid) for pid in read_until(process.stdout, "orphans ").split()[1:]]
    give_up_at = time.monotonic() + 60
    while any(psutil.pid_exists(pid) for pid in orphans):
        assert time.monotonic() < give_up_at, "they wait to be reaped"
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert process.returncode == 0


def test_the_first_process_ends_at_sigterm_even_before_it_has_started_anything(job: JobDirectory, tmp_path: Path):
    """The kernel would drop the signal, and `docker stop` would wait. Here an import takes for ever."""
    (tmp_path / "tempfile.py").write_text("print('importing', flush=True)\nimport signal\nwhile True: signal.pause()\n")
    job.environment = {"PYTHONPATH": f"{tmp_path}:{REPOSITORY}"}
    process = job.start(as_first_process(*LAUNCHER))
    read_until(process.stdout, "importing")
    first_process(process).send_signal(signal.SIGTERM)
    process.communicate()
    assert process.returncode == 143


def test_the_first_process_ends_at_sigterm_before_there_is_a_script(job: JobDirectory, tmp_path: Path):
    (tmp_path / "sagemaker_training.py").write_text(
        "print('importing', flush=True)\nimport signal\nwhile True: signal.pause()\n"
    )
    job.environment = {"PYTHONPATH": f"{tmp_path}:{REPOSITORY}"}
    process = job.start(as_first_process(*LAUNCHER))
    read_until(process.stdout, "importing")
    first_process(process).send_signal(signal.SIGTERM)
    process.communicate()
    assert process.returncode == 143
    assert job.failure == "the training process was killed by SIGTERM (exit code 143)"


def test_the_first_process_passes_sigterm_on_and_leaves_nothing(job: JobDirectory, script: Script):
    script(
        """
        import signal, subprocess, sys
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))
        subprocess.Popen(["sleep", "1000"], start_new_session=True)
        print("ready", flush=True)
        while True:
            signal.pause()
        """
    )
    process = job.start(as_first_process(*LAUNCHER))
    read_until(process.stdout, "ready")
    first_process(process).send_signal(signal.SIGTERM)
    process.communicate()
    assert process.returncode == 5
    assert job.processes() == []


@pytest.mark.parametrize(("in_a_container", "mode"), [(True, 0o666), (False, 0o644)])
@pytest.mark.skipif(os.geteuid() != 0, reason="it is for root")
def test_what_a_containers_root_leaves_can_be_deleted_by_all(
    job: JobDirectory, script: Script, in_a_container: bool, mode: int
):
    """After the SDK's local mode the files belong to root, and the user wants them gone; see SDK issue 4764."""
    script(
        """
        import os, pathlib
        folder = pathlib.Path(os.environ["SM_MODEL_DIR"], "folder")
        folder.mkdir()
        (folder / "file").touch()
        """
    )
    process = job.start(as_first_process(*LAUNCHER) if in_a_container else LAUNCHER, umask=0o022)
    _, log = process.communicate()
    assert process.returncode == 0, log
    assert (job.model / "folder" / "file").stat().st_mode & 0o777 == mode
    assert (job.model / "folder").stat().st_mode & 0o777 == mode | 0o111
    assert job.data.stat().st_mode & 0o777 == mode | 0o111


def test_a_script_is_told_what_gpus_there_are_and_not_stopped(job: JobDirectory, script: Script, tmp_path: Path):
    script("import os; print('visible', os.environ.get('CUDA_VISIBLE_DEVICES'))")
    job.environment = {"LD_LIBRARY_PATH": str(build_nvml_stub(tmp_path)), **OLD_DRIVER}
    result = job.run()
    assert result.code == 0, result.log
    assert "GPU: NVIDIA driver 470.57.02 (CUDA 11.4) is too old for this torch" in result.stdout
    job.environment["SLIPWAY_USE_CUDA"] = "false"
    result = job.run()
    assert result.code == 0, result.log
    assert "GPU: not used (SLIPWAY_USE_CUDA is false); running on the CPU\n" in result.stdout
    assert "visible \n" in result.stdout, "torch finds none"


def test_a_switch_that_is_neither_true_nor_false(job: JobDirectory):
    job.environment = {"SLIPWAY_USE_CUDA": "never"}
    result = job.run({})
    assert result.code == 1
    assert job.failure == "SLIPWAY_USE_CUDA is 'never'; it must be true or false"
    assert result.stderr == f"train: {job.failure}\n"
