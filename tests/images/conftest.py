"""A Docker engine and the images that build.sh made. Where they are not, the tests of this folder are skipped, but
never in continuous integration."""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from slipway.sample import write_sample
from tests.images.checkout import NAME, ROOT, Build, copy_tree
from tests.images.containers import ONE_THREAD, Docker, Images, as_sagemaker_mounts, unavailable
from tests.train.conftest import SMALL, JobDirectory


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests that need no images, as .ci/run builds those meanwhile."""
    items.sort(key=lambda item: isinstance(item, pytest.Function) and "built" in item.fixturenames)


def _programs() -> Iterator[str]:
    for directory in os.environ.get("PATH", os.defpath).split(os.pathsep):
        if found := shutil.which("docker", path=directory):
            yield found


@pytest.fixture(scope="session")
def docker() -> Docker:
    """The first docker on PATH that reaches its engine."""
    said = "there is none on PATH"
    for program in _programs():
        answer = subprocess.run([program, "version"], capture_output=True, text=True)
        if answer.returncode == 0:
            return Docker(program)
        said = (answer.stderr or answer.stdout).strip().splitlines()[-1]
    return unavailable(f"no Docker engine ({said}); on Debian: apt-get install docker.io, then start dockerd")


@pytest.fixture(scope="session")
def built() -> None:
    """Wait while .ci/run builds the images."""
    lock = ROOT / ".build" / "images.lock"
    if lock.exists():
        with lock.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH)


@pytest.fixture(scope="session")
def images(docker: Docker, built: None) -> Images:
    """What ./build.sh made, or the images that SLIPWAY_TRAIN_IMAGE and SLIPWAY_SERVE_IMAGE name."""
    found = Images(
        train=os.environ.get("SLIPWAY_TRAIN_IMAGE", "slipway:train"),
        serve=os.environ.get("SLIPWAY_SERVE_IMAGE", "slipway:serve"),
    )
    for name in (found.train, found.serve):
        if docker.try_("image", "inspect", name).returncode != 0:
            unavailable(f"there is no image {name}; run ./build.sh first")
    return found


@pytest.fixture(scope="session")
def images_for_local_mode(docker: Docker, images: Images, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Images]:
    """The same images, with the setting that `Docker.start` gives: local modes pass no variables on."""
    made = Images(train="slipway-test-local:train", serve="slipway-test-local:serve")
    context = tmp_path_factory.mktemp("context")
    for base, name in ((images.train, made.train), (images.serve, made.serve)):
        (context / "Dockerfile").write_text(f"FROM {base}\nENV {ONE_THREAD}\n")
        docker("build", "--quiet", f"--tag={name}", str(context))
    yield made
    docker("image", "rm", "--force", made.train, made.serve)  # ended containers still name them


@pytest.fixture
def job(tmp_path: Path) -> JobDirectory:
    """A directory in the form of /opt/ml."""
    return JobDirectory(tmp_path / "job")


@pytest.fixture(scope="session")
def trained(docker: Docker, images: Images, tmp_path_factory: pytest.TempPathFactory) -> JobDirectory:
    """The sample data after one epoch in the image: what `docker run` with no command does."""
    job = JobDirectory(tmp_path_factory.mktemp("trained") / "job")
    write_sample(job.base / "input" / "data")
    job.hyperparameters({**SMALL, "epochs": "1", "batch-size": "32", "augmentation": "light", "export": "true"})
    ended = docker.run(*as_sagemaker_mounts(job), images.train)
    assert ended.code == 0, ended.log
    return job


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """This tree as a commit of its own, which a test may change."""
    copy = tmp_path / "checkout"
    copy_tree(copy)
    return copy


@pytest.fixture
def build(docker: Docker, images: Images, checkout: Path) -> Iterator[Build]:
    """`build("train", …)` runs build.sh on the base of the images that are there, under a name of its own."""
    base = docker.inspect(images.train)["Config"]["Labels"]["org.opencontainers.image.base.name"]
    options = ["--name", NAME, "--base-image", base, "--network", "host"]
    if certificates := os.environ.get("SSL_CERT_FILE"):
        options += ["--ca-bundle", certificates]

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        command = ["./build.sh", *options, *arguments]
        return subprocess.run(command, cwd=checkout, env={**os.environ, **environment}, capture_output=True, text=True)

    yield run
    for tag in docker("image", "ls", "--format", "{{.Tag}}", NAME).splitlines():
        docker("image", "rm", f"{NAME}:{tag}")
