"""Local mode through Python: one script of Slipway's classes with each version of the SDK, and the SDKs' own. Without
an SDK: test_readme.py and test_local_containers.py.

The SDKs' own local modes write the configuration, start the containers through Docker Compose, and read what those
leave. No AWS is reached: its address is a closed port."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from slipway.local.containers import LABEL
from tests.conftest import picture, write_image_folder
from tests.images.containers import Docker, Images, unavailable
from tests.sdk3 import python_with_version_3, search_path
from tests.train.conftest import SMALL

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Sdk:
    """One version of the SDK: version 2 is Slipway's own; version 3, which cannot be installed beside it, has an
    environment of its own."""

    python: Path
    script: Path


@pytest.fixture(scope="module")
def sdk2() -> Sdk:
    return Sdk(Path(sys.executable), HERE / "slipway_job.py")


@pytest.fixture(scope="module")
def sdk3() -> Sdk:
    return Sdk(python_with_version_3(), HERE / "sdk3_job.py")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two channels with pictures of three colours."""
    directory = tmp_path_factory.mktemp("data")
    write_image_folder(directory / "train", {"red": 24, "green": 16, "blue": 16})
    write_image_folder(directory / "validation", {"red": 4, "green": 4, "blue": 4})
    return directory


class Compose:
    """What the SDK has Docker Compose make for files below one directory."""

    def __init__(self, docker: Docker, work: Path) -> None:
        self._docker = docker
        self._work = work

    def containers(self) -> dict[str, Any]:
        """The state of each container, by name."""
        names = self._docker("ps", "--all", "--quiet", "--filter=label=com.docker.compose.project").split()
        found = [self._docker.inspect(name) for name in names]
        label = "com.docker.compose.project.config_files"
        return {
            one["Name"]: one["State"]
            for one in found
            if str(one["Config"]["Labels"].get(label, "")).startswith(str(self._work))
        }

    def remove(self) -> None:
        for name in self.containers():
            self._docker("rm", "--force", "--volumes", name)
        # It stays where another local job is using it.
        self._docker.try_("network", "rm", "sagemaker-local")


@pytest.fixture
def compose(docker: Docker, tmp_path: Path) -> Iterator[Compose]:
    if not shutil.which("docker-compose") and docker.try_("compose", "version").returncode != 0:
        unavailable("no Docker Compose; on Debian: apt-get install docker-compose")
    (tmp_path / "work").mkdir()
    made = Compose(docker, tmp_path / "work")
    yield made
    made.remove()


def run(sdk: Sdk, docker: Docker, tmp_path: Path, *arguments: str, **more: str) -> dict[str, Any]:
    """What the script found out; its log is in the error if it fails."""
    settings = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SAGEMAKER_"))}
    settings |= {
        "PATH": f"{Path(docker.program).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "AWS_ACCESS_KEY_ID": "unused",
        "AWS_SECRET_ACCESS_KEY": "unused",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "TMPDIR": str(tmp_path / "work"),  # where version 2 puts what it mounts
        **more,
    }
    command = [sdk.python, sdk.script, f"--hyperparameters={json.dumps(SMALL)}"]
    result = subprocess.run([*command, *arguments], env=settings, cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    return dict(json.loads(result.stdout.splitlines()[-1]))


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def packed(model_data: str) -> list[str]:
    """Names of the files in the model.tar.gz that the SDK made."""
    with tarfile.open(model_data.removeprefix("file://")) as archive:
        return sorted(member.name.removeprefix("./") for member in archive if member.isfile())


def asked(images: Images, data: Path, tmp_path: Path) -> list[str]:
    """Arguments of slipway_job.py."""
    red = tmp_path / "red.jpg"
    picture("asked about", (200, 40, 40)).save(red)
    write_image_folder(tmp_path / "pictures", {"red": 1, "green": 1})
    (tmp_path / "pictures" / "bad.png").write_text("no picture")
    of_images = [f"--train-image={images.train}", f"--serve-image={images.serve}"]
    folders = [f"--data={data}", f"--pictures={tmp_path / 'pictures'}"]
    return [*of_images, *folders, f"--port={free_port()}", f"--picture={red}"]


def check_served(found: dict[str, Any]) -> None:
    assert packed(found["model_data"]) == ["model.json", "model.safetensors"]
    assert sorted(found["answer"]) == ["blue", "green", "red"]
    assert sum(found["answer"].values()) == pytest.approx(1, abs=1e-3)
    assert found["removed"] == 3, "the endpoint, its configuration and its model"
    assert list(found["rows"]) == ["bad.png", "green/000.png", "red/000.png"]
    assert "cannot be decoded" in found["rows"].pop("bad.png")
    assert all(len(row["predictions"]) == 3 for row in found["rows"].values())
    outputs = Path(found["outputs"].removeprefix("file://"))
    assert sorted(path.relative_to(outputs).as_posix() for path in outputs.rglob("*.out")) == [
        "green/000.png.out",
        "red/000.png.out",
    ]


@pytest.mark.parametrize("version", ["2", "3"])
def test_the_same_script_trains_serves_and_transforms_with_either_sdk(
    docker: Docker, images_for_local_mode: Images, data: Path, tmp_path: Path, version: str
):
    (tmp_path / "work").mkdir()
    (tmp_path / "path").mkdir()
    python = python_with_version_3() if version == "3" else Path(sys.executable)
    more = {"PYTHONPATH": search_path(tmp_path / "path")} if version == "3" else {}
    arguments = ["--instances=1", *asked(images_for_local_mode, data, tmp_path)]
    found = run(Sdk(python, HERE / "slipway_job.py"), docker, tmp_path, *arguments, **more)
    check_served(found)
    assert all(module.startswith(f"slipway.sdk{version}.") for module in found["modules"])
    assert docker("ps", "--all", "--quiet", f"--filter=label={LABEL}") == ""


def test_a_session_of_version_2s_own_local_mode_runs_the_script_there(
    docker: Docker, images_for_local_mode: Images, sdk2: Sdk, data: Path, compose: Compose, tmp_path: Path
):
    """The two train one model between them, and Docker Compose stops the second when the first has ended."""
    arguments = ["--instances=2", "--local-session=sdk", *asked(images_for_local_mode, data, tmp_path)]
    check_served(run(sdk2, docker, tmp_path, *arguments))
    containers = compose.containers()
    assert [(state["Running"], state["ExitCode"]) for state in containers.values()] == [(False, 0)] * 3
    logs = [log for name in containers if "training on " in (log := docker.try_("logs", name).stdout)]
    assert all("training on 2 hosts with 1 process each" in log for log in logs)
    assert sorted(log.count("EVAL: Average loss: ") for log in logs) == [0, int(SMALL["epochs"])]


@pytest.mark.parametrize("command", [[], ["--command=python -m container.train.program"]])
def test_version_3_trains(
    docker: Docker,
    images_for_local_mode: Images,
    sdk3: Sdk,
    data: Path,
    compose: Compose,
    tmp_path: Path,
    command: list[str],
):
    """With the image's own command, to which it adds no argument, and with a command that it runs from bash."""
    arguments = [f"--train-image={images_for_local_mode.train}", f"--data={data}", f"--work={tmp_path / 'work'}"]
    found = run(sdk3, docker, tmp_path, *arguments, *command)
    assert packed(found["model_data"]) == ["model.json", "model.safetensors"]
    assert [state["ExitCode"] for state in compose.containers().values()] == [0]
