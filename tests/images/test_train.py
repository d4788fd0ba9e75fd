"""The training image, started as SageMaker, its SDKs and users start it."""

import json
import textwrap
from pathlib import Path

import pytest

from container import artifact
from tests.conftest import write_image_folder
from tests.images.containers import (
    LOCKED_DOWN,
    TRAINING_GRACE_S,
    Container,
    Docker,
    Images,
    as_sagemaker_mounts,
    open_to_all,
)
from tests.serve.server_process import await_true
from tests.train.conftest import SMALL, JobDirectory

# Still running whenever it is stopped.
ENDLESS = {**SMALL, "epochs": "10000", "num-workers": "1"}


@pytest.fixture
def colours(job: JobDirectory) -> JobDirectory:
    """A job with a few pictures of three classes."""
    write_image_folder(job.base / "input" / "data" / "train", {"red": 24, "green": 16, "blue": 16})
    return job


def check_results(job: JobDirectory) -> None:
    assert artifact.load(job.model)[1].classes == ("blue", "green", "red")
    assert (job.data / "training-report.html").is_file()
    assert not (job.base / "output" / "failure").exists()


def test_without_a_command_it_trains_on_the_sample_data(trained: JobDirectory):
    card = artifact.load(trained.model)[1]
    assert len(card.classes) == 10
    assert card.training["test"]["test_accuracy"] > 0.3, "guessing would be right one time in ten"
    assert (trained.data / "training-report.html").is_file()
    assert not (trained.base / "output" / "failure").exists()


def test_from_bash_as_root_it_trains_without_weights_and_its_starter_may_delete_all(
    docker: Docker, images: Images, colours: JobDirectory
):
    """Local modes of the SDK mount a user's own directories, and the container runs as root."""
    colours.hyperparameters({**SMALL, "epochs": "1", "weights": "default"})
    mounts = as_sagemaker_mounts(colours)
    open_to_all(colours.base / "output")
    open_to_all(colours.model)
    command = ["/bin/bash", "-c", "set -e; train"]
    ended = docker.run(*mounts, "--env=SLIPWAY_WEIGHTS_DIR=/nowhere", images.train, *command)
    assert ended.code == 0, ended.log
    assert "random weights" in ended.log
    assert "GPU: none found (no NVIDIA driver); running on the CPU" in ended.stdout.splitlines()
    check_results(colours)
    delete = "find /opt/ml/model /opt/ml/output -mindepth 1 -delete"
    ended = docker.run(*mounts, "--user=1000", images.train, "bash", "-c", delete)
    assert (ended.code, ended.log) == (0, "")


def test_any_user_trains_where_only_the_mounts_can_be_written(docker: Docker, images: Images, colours: JobDirectory):
    """A user that the image has no name for can train, too."""
    colours.hyperparameters({**SMALL, "epochs": "1"})
    mounts = as_sagemaker_mounts(colours)
    open_to_all(colours.base)
    ended = docker.run(*mounts, *LOCKED_DOWN, "--user=12345", images.train, "train")
    assert ended.code == 0, ended.log
    check_results(colours)
    assert (colours.model / "model.safetensors").stat().st_uid == 12345


def test_a_misspelt_hyperparameter_is_in_the_failure_file(docker: Docker, images: Images, colours: JobDirectory):
    colours.hyperparameters({**SMALL, "epoch": "1"})
    ended = docker.run(*as_sagemaker_mounts(colours), images.train)
    assert ended.code == 1
    assert colours.failure == "there is no hyperparameter epoch; did you mean epochs?"
    assert "Traceback" not in ended.log


def test_a_container_without_anything_mounted_says_what_is_missing(docker: Docker, images: Images):
    ended = docker.run("--network=none", images.train)
    assert ended.code == 1
    assert "train channel" in ended.log
    assert "Traceback" not in ended.log


def test_docker_stop_keeps_the_model_and_the_checkpoint(
    docker: Docker, images: Images, colours: JobDirectory, tmp_path: Path
):
    checkpoints = tmp_path / "checkpoints"
    checkpoints.mkdir()
    mounts = [*as_sagemaker_mounts(colours), f"--volume={checkpoints}:/opt/ml/checkpoints"]
    colours.hyperparameters(ENDLESS)
    with docker.start(*mounts, images.train) as container:
        container.await_log("Train Epoch: 2 [")
        ended = container.stop(TRAINING_GRACE_S)
    assert ended.code == 0, ended.log
    assert artifact.load(colours.model)[1].training["evaluation"]["epoch"] >= 1
    assert list(checkpoints.glob("*.pt"))
    assert not (colours.base / "output" / "failure").exists()

    # Started again, as after a spot interruption, it goes on.
    with docker.start(*mounts, images.train) as container:
        container.await_log("resuming from the checkpoint of epoch")


def test_sigterm_at_the_very_start_ends_it(docker: Docker, images: Images, colours: JobDirectory):
    """The kernel ignores a signal that the first process of a container does not handle."""
    colours.hyperparameters(ENDLESS)
    with docker.start(*as_sagemaker_mounts(colours), images.train) as container:
        await_true(lambda: handles_sigterm(container), "the first process handles SIGTERM")
        container.kill("TERM")
        assert container.wait().code == 143


def handles_sigterm(container: Container) -> bool:
    status = container.execute("cat", "/proc/1/status")
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) & 1 << 14)


def write_script(job: JobDirectory, code: str) -> None:
    """As SDK v3 brings a user's script: in a channel, named by hyperparameters."""
    source = job.base / "input" / "data" / "code"
    source.mkdir()
    (source / "user.py").write_text(textwrap.dedent(code))
    job.hyperparameters(
        {"sagemaker_program": "user.py", "sagemaker_submit_directory": "/opt/ml/input/data/code", "epochs": "3"}
    )


def test_a_users_script_runs_in_the_toolkits_environment(docker: Docker, images: Images, colours: JobDirectory):
    write_script(
        colours,
        """
        import json, os, pathlib, sys
        import torch, torchvision

        seen = {name: value for name, value in os.environ.items() if name.startswith("SM_")}
        pathlib.Path(os.environ["SM_MODEL_DIR"], "seen.json").write_text(json.dumps({"argv": sys.argv[1:], **seen}))
        """,
    )
    ended = docker.run(*as_sagemaker_mounts(colours), images.train)
    assert ended.code == 0, ended.log
    seen = json.loads((colours.model / "seen.json").read_text())
    assert seen["argv"] == ["--epochs", "3"]
    assert seen["SM_CHANNEL_TRAIN"] == "/opt/ml/input/data/train"
    assert seen["SM_OUTPUT_DATA_DIR"] == "/opt/ml/output/data"
    assert json.loads(seen["SM_HOSTS"]) == ["algo-1"]


def test_no_zombies_pile_up_during_a_job(docker: Docker, images: Images, job: JobDirectory):
    """What a script starts and forgets becomes the first process's child."""
    write_script(
        job,
        """
        import signal, subprocess
        for _ in range(20):
            subprocess.run(["sh", "-c", "sleep 0 &"])
        print("forgotten", flush=True)
        signal.pause()
        """,
    )
    with docker.start(*as_sagemaker_mounts(job), images.train) as container:
        container.await_log("forgotten")
        await_true(lambda: not zombies(container), "what has ended is reaped")
        container.kill("TERM")
        assert container.wait().code == 143


def zombies(container: Container) -> list[str]:
    stats = container.execute("sh", "-c", "cat /proc/[0-9]*/stat 2>/dev/null; true")
    return [line for line in stats.splitlines() if line.rpartition(")")[2].split()[0] == "Z"]


def test_what_sdk_v3_calls_from_bash_is_on_path(docker: Docker, images: Images):
    script = "set -e; python --version; python3 -c 'import sagemaker_training, torch'; pip --version; train --help"
    ended = docker.run("--network=none", "--entrypoint=/bin/bash", images.train, "-c", script)
    assert ended.code == 0, ended.log
