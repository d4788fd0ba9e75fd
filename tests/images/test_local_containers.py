"""The images as `--instance-type local` runs them: what they leave, and what is said when they fail or are stopped."""

import os
import shlex
import signal
import socket
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from slipway.errors import EndpointError, EngineError, RemoteJobError, SettingError
from slipway.local import serve, train
from slipway.local.containers import LABEL
from slipway.options.exit_codes import ExitCode
from slipway.training.estimator import Estimator
from tests.conftest import write_image_folder
from tests.images.containers import Docker, Images
from tests.train.conftest import SMALL


@pytest.fixture
def folder(docker: Docker, tmp_path: Path) -> Iterator[Path]:
    """A folder with a data set; nothing is left in Docker of what a test starts."""
    write_image_folder(tmp_path / "data" / "train", {"red": 10, "green": 10, "blue": 10})
    yield tmp_path
    for what in ("container", "network"):
        assert docker(what, "ls", "--quiet", f"--filter=label={LABEL}", *["--all"] * (what == "container")) == ""


def request(folder: Path, image: str, *command: str, **resources: Any) -> dict[str, Any]:
    """A training job, as CreateTrainingJob takes it."""
    place = {"S3DataType": "S3Prefix", "S3Uri": f"file://{folder / 'data' / 'train'}"}
    program = {"ContainerEntrypoint": list(command)} if command else {}
    return {
        "TrainingJobName": "colours",
        "AlgorithmSpecification": {"TrainingImage": image, "TrainingInputMode": "File", **program},
        "HyperParameters": SMALL,
        "InputDataConfig": [{"ChannelName": "train", "DataSource": {"S3DataSource": place}}],
        "OutputDataConfig": {"S3OutputPath": f"file://{folder / 'out'}"},
        "ResourceConfig": {"InstanceType": "local", "InstanceCount": 1, **resources},
    }


def names_in(archive: Path) -> list[str]:
    assert archive.stat().st_uid == os.getuid()
    with tarfile.open(archive) as tar:
        return sorted(member.name for member in tar if member.isfile())


def test_two_containers_train_one_model_and_ctrl_c_keeps_the_best_so_far(images_for_local_mode: Images, folder: Path):
    hyperparameters = [part for name, value in SMALL.items() for part in (f"--{name}", value)]
    hyperparameters += ["--epochs", "10000", "--profile", "false"]
    options = ["--instance-type", "local", "--instance-count", "2", "--job-dir", "job", "--verbose", *hyperparameters]
    with subprocess.Popen(
        [sys.executable, "-m", "slipway", "train", "data", "--image", images_for_local_mode.train, *options],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as process:  # fmt: skip
        said = "".join(lines_until(process.stdout, "Train Epoch: 2 ["))
        process.send_signal(signal.SIGINT)
        assert process.stdout
        said += process.stdout.read()
    assert process.returncode == 130, said
    for host in ("algo-1", "algo-2"):
        assert f"{host} | training on 2 hosts with 1 process each" in said
    assert f"The best model so far is {folder / 'job' / 'model.tar.gz'}" in said
    assert names_in(folder / "job" / "model.tar.gz") == ["model.json", "model.safetensors"]
    assert "data/metrics.jsonl" in names_in(folder / "job" / "output.tar.gz")


def test_models_are_compared_and_the_one_that_fails_has_its_reason(images_for_local_mode: Images, folder: Path):
    options = ["--instance-type", "local", "--vary", "batch-size=1000,8", "--models", "resnet18"]
    options += ["--image", images_for_local_mode.train]
    hyperparameters = [
        part
        for name, value in SMALL.items()
        if name not in ("model-type", "batch-size", "profile")
        for part in (f"--{name}", value)
    ]
    done = subprocess.run(
        [sys.executable, "-m", "slipway", "compare", "data", *options, *hyperparameters],
        cwd=folder, capture_output=True, text=True,
    )  # fmt: skip
    assert "resnet18, batch-size 8  " in done.stdout, done.stderr
    assert "resnet18, batch-size 1000 failed: the training job" in done.stdout
    assert "without a result: resnet18, batch-size 1000" in done.stderr
    assert done.returncode == ExitCode.JOB_FAILED
    [archive] = folder.glob("slipway-jobs/*-comparison/resnet18-batch-size-8/model.tar.gz")
    assert names_in(archive) == ["model.json", "model.safetensors"]


def lines_until(stream: Any, text: str) -> Iterator[str]:
    for line in stream:
        yield line
        if text in line:
            return


def test_a_script_cannot_write_to_its_input_and_its_reason_is_the_error(images_for_local_mode: Images, folder: Path):
    script = "touch /opt/ml/input/data/train/new 2> /opt/ml/output/failure || exit 3"
    with pytest.raises(RemoteJobError, match=r"colours failed in local mode: touch: .*Read-only file system$"):
        train(request(folder, images_for_local_mode.train, "bash", "-c", script))
    assert names_in(folder / "out" / "output.tar.gz") == ["failure"]
    assert not (folder / "out" / "model.tar.gz").exists()


def test_the_estimator_without_an_sdk_trains_and_runs_a_script_of_the_users(
    images_for_local_mode: Images, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(folder)
    here = {"instance_type": "local", "image_uri": images_for_local_mode.train}
    estimator = Estimator(**here, hyperparameters=SMALL)
    estimator.fit({"train": "data/train"}, show=lambda line: None)
    model = Path(estimator.model_data.removeprefix("file://"))
    assert model == folder / "slipway-jobs" / str(estimator.job_name) / "model.tar.gz"
    assert names_in(model) == ["model.json", "model.safetensors"]
    Path("mine.py").write_text("print('this is mine')\n")
    lines: list[str] = []
    Estimator(**here, entry_point="mine.py", output_path=f"file://{folder / 'out'}").fit(
        {"anything": "data/train"}, show=lines.append
    )
    assert "this is mine" in lines
    assert (folder / "out" / "output.tar.gz").exists()


def test_when_one_of_two_containers_fails_the_other_is_stopped(images_for_local_mode: Images, folder: Path):
    script = "trap 'echo stopped; exit' TERM; [ $HOSTNAME = algo-2 ] && echo no luck && exit 5; sleep infinity & wait"
    lines: list[str] = []
    with pytest.raises(RemoteJobError, match=r"the container exited with code 5; its last output: no luck$"):
        train(request(folder, images_for_local_mode.train, "bash", "-c", script, InstanceCount=2), lines.append)
    assert lines == ["algo-2 | no luck", "algo-1 | stopped"]


@pytest.mark.parametrize(
    ("changes", "kind", "message"),
    [
        ({"image": "slipway:nothing"}, EngineError, "Docker has no image slipway:nothing; build it with"),
        ({"command": "nothing"}, SettingError, "the image has no program nothing"),
        ({"engine": "unix:///nowhere/docker.sock"}, EngineError, "Docker does not answer .*; install it"),
        ({"output": "s3://dogs/jobs"}, SettingError, "the output path is s3://dogs/jobs; give a folder"),
    ],
)
def test_a_start_that_fails_is_explained(
    images_for_local_mode: Images,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    changes: Mapping[str, str],
    kind: type,
    message: str,
):
    if "engine" in changes:
        monkeypatch.setenv("DOCKER_HOST", changes["engine"])
    job = request(folder, changes.get("image", images_for_local_mode.train), *shlex.split(changes.get("command", "")))
    if "output" in changes:
        job["OutputDataConfig"]["S3OutputPath"] = changes["output"]
    with pytest.raises(kind, match=message):
        train(job)
    monkeypatch.undo()


def model(path: Path, image: str) -> dict[str, Any]:
    """A model, as CreateModel takes it."""
    return {"ModelName": "colours", "PrimaryContainer": {"Image": image, "ModelDataUrl": str(path)}}


def test_a_server_that_cannot_load_its_model_has_the_last_word(images_for_local_mode: Images, folder: Path):
    (folder / "model").mkdir()
    (folder / "model" / "model.json").write_text("{}")
    with (
        pytest.raises(EndpointError, match=r"did not start: the container exited with code \d+; .*model\.json"),
        serve(model(folder / "model", images_for_local_mode.serve), port=None),
    ):
        pass


def test_a_port_in_use_is_not_served_at(images_for_local_mode: Images, folder: Path):
    (folder / "model").mkdir()
    (folder / "model" / "model.json").write_text("{}")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        for message in ("the port is taken", "something else answers at port"):
            with (
                pytest.raises(SettingError, match=message),
                serve(model(folder / "model", images_for_local_mode.serve), port=taken.getsockname()[1]),
            ):
                pass
            taken.listen()
