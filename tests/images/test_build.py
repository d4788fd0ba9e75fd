"""build.sh: what it makes, what it does not make again, and what it says when it cannot."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import torch
import torchvision

from tests.images.checkout import NAME, Build, commit, git
from tests.images.containers import Docker, Images
from tests.images.registry import private_engine, small_disk

ROOT = Path(__file__).parents[2]


def layers(docker: Docker, image: str) -> list[str]:
    return docker.inspect(image)["RootFS"]["Layers"]


def test_a_committed_tree_is_tagged_by_revision_and_a_changed_line_is_a_small_layer(
    docker: Docker, images: Images, checkout: Path, build: Build
):
    revision = git(checkout, "rev-parse", "HEAD")
    first = build("all")
    assert first.returncode == 0, first.stdout[-2000:] + first.stderr
    for target, image in (("train", images.train), ("serve", images.serve)):
        name = f"{NAME}:{target}-{revision[:12]}"
        assert name in first.stdout
        assert docker.inspect(name)["Id"] == docker.inspect(f"{NAME}:{target}")["Id"]
        assert docker.inspect(name)["Config"]["Labels"]["org.opencontainers.image.revision"] == revision
        # Another checkout with the same content gives the same layers, the last one too.
        assert layers(docker, name) == layers(docker, image)
    assert "-dirty" not in first.stdout

    paths = checkout / "container" / "contract" / "paths.py"
    paths.write_text(paths.read_text() + "\nCHANGED = True\n")
    second = build("train")
    assert second.returncode == 0, second.stdout[-2000:] + second.stderr
    assert "warning: there are uncommitted changes" in second.stderr
    changed = f"{NAME}:train-{revision[:12]}-dirty"
    before, after = layers(docker, images.train), layers(docker, changed)
    assert (after[:-1], after[-1] != before[-1]) == (before[:-1], True)
    newest = docker("history", "--no-trunc", "--format", "{{.Size}} {{.CreatedBy}}", "--human=false", changed)
    size = next(int(line.split()[0]) for line in newest.splitlines() if "/opt/program/train" in line)
    assert 0 < size < 4_000_000

    commit(checkout)
    third = build("train")
    assert f"{NAME}:train-{git(checkout, 'rev-parse', 'HEAD')[:12]} " in third.stdout
    assert layers(docker, f"{NAME}:train") == after


def test_weights_are_baked_in_and_an_unreadable_file_ends_the_build(
    docker: Docker, images: Images, build: Build, tmp_path: Path
):
    file = tmp_path / "mine.pth"
    torch.save(torchvision.models.resnet18(weights=None).state_dict(), file)
    done = build("train", "--weights", str(file))
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    listed = docker.run("--entrypoint=ls", f"{NAME}:train", "/opt/slipway/weights")
    assert listed.stdout.split() == ["resnet18.safetensors"]
    assert layers(docker, f"{NAME}:train")[:-2] == layers(docker, images.train)[:-1]

    file.write_bytes(b"no weights")
    failed = build("train", "--weights", str(file))
    assert failed.returncode == 1
    assert re.search(r"build.sh: the train image was not built: .*mine\.pth.*train\.log", failed.stderr), failed.stderr


def test_what_is_no_base_image_is_named(docker: Docker, build: Build):
    absent = build("train", "--base-image", "slipway-test.invalid/nothing:1")
    assert absent.returncode == 1
    assert "slipway-test.invalid/nothing:1 is not on this machine and cannot be pulled" in absent.stderr
    assert "docker/base.sh" in absent.stderr


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (r"printf '#!/bin/sh\necho 3.9\n' >/usr/bin/python3; chmod +x /usr/bin/python3", "needs 3.11, 3.12 or 3.13"),
        ("mv /usr/bin/apt-get /usr/bin/apt-got", "the base image has no apt-get"),
    ],
)
def test_a_base_that_cannot_work_is_refused(docker: Docker, images: Images, build: Build, change: str, sentence: str):
    base = docker.inspect(images.train)["Config"]["Labels"]["org.opencontainers.image.base.name"]
    name = f"{NAME}:unfit"
    with docker.start("--entrypoint=sh", base, "-c", change) as container:
        container.wait()
        docker("commit", container.name, name)
    refused = build("train", "--base-image", name)
    assert refused.returncode == 1
    assert sentence in refused.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk_is_named(docker: Docker, images: Images, build: Build, tmp_path: Path):
    base = docker.inspect(images.train)["Config"]["Labels"]["org.opencontainers.image.base.name"]
    engine = tmp_path / "engine"
    with small_disk(engine / "data", "400m"), private_engine(engine) as host:
        with subprocess.Popen([docker.program, "save", base], stdout=subprocess.PIPE) as saved:
            load = [docker.program, "--host", host, "load"]
            subprocess.run(load, stdin=saved.stdout, check=True, capture_output=True)
        failed = build("train", DOCKER_HOST=host)
    assert failed.returncode == 1
    assert "build.sh: the train image was not built: the disk is full; docker system df" in failed.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["tarin"], 2, "unknown target tarin; the targets are train, serve and all"),
        (["--compile"], 2, "unknown option --compile"),
        (["--base-image"], 2, "--base-image needs a value"),
        (["--weights", "ResNet 50"], 2, "--weights is 'ResNet 50'"),
        (["--weights", "Mine=nowhere.pth"], 1, "nowhere.pth, given with --weights, cannot be read"),
        (["--weights", "Mine=build.sh"], 2, "--weights is 'Mine=build.sh'"),
        (["--weights", "nowhere.pth"], 1, "nowhere.pth, given with --weights, cannot be read"),
        (["--ca-bundle", "nowhere.pem"], 1, "nowhere.pem cannot be read"),
        (["--system-packages", "a;b"], 2, "--system-packages is 'a;b'"),
        (["train", "--cpu"], 2, "--cpu is for the serving image alone: ./build.sh serve --cpu"),
        (["--platform", "linux/arm64"], 2, "only the image for CPUs (serve --cpu) is built for another"),
        (["serve", "--cpu", "--platform", "arm"], 2, "it must be linux/amd64 or linux/arm64"),
        (["--cuda", "11"], 2, "--cuda is '11'; the images are built for 13 (NVIDIA driver 580 or later) or 12 (525)"),
        (["serve", "--cpu", "--cuda", "12"], 2, "--cuda is for the images with torch; the one for CPUs has no CUDA"),
        (["--name", "Slip Way"], 2, "--name is 'Slip Way'"),
    ],
)
def test_a_wrong_argument_is_one_sentence(arguments: list[str], code: int, sentence: str):
    refused = subprocess.run([ROOT / "build.sh", *arguments], capture_output=True, text=True)
    assert (refused.returncode, refused.stdout, len(refused.stderr.splitlines())) == (code, "", 1)
    assert sentence in refused.stderr


def test_without_docker_or_its_engine_it_says_what_to_do(docker: Docker, tmp_path: Path):
    for program in ("bash", "cat", "dirname", "env", "git", "id", "realpath"):
        (tmp_path / program).symlink_to(shutil.which(program))
    environment = {**os.environ, "PATH": str(tmp_path)}
    missing = subprocess.run([ROOT / "build.sh"], env=environment, capture_output=True, text=True)
    assert missing.returncode == 1
    assert missing.stderr.startswith("build.sh: docker is not on PATH; install Docker")

    environment = {**os.environ, "DOCKER_HOST": f"unix://{tmp_path}/docker.sock"}
    down = subprocess.run([ROOT / "build.sh"], env=environment, capture_output=True, text=True)
    assert down.returncode == 1
    assert down.stderr.startswith("build.sh: the Docker engine is not running or cannot be reached at unix://")


def test_help_names_every_option_and_an_example():
    shown = subprocess.run([ROOT / "build.sh", "--help"], capture_output=True, text=True, check=True).stdout
    assert set(re.findall(r"^  (--[a-z-]+)", shown, re.M)) == {
        "--base-image", "--weights", "--compiler", "--name", "--system-packages",
        "--cpu", "--cuda", "--platform", "--network", "--ca-bundle", "--pip-config", "--apt-sources",
    }  # fmt: skip
    assert "./build.sh && ./push.sh" in shown
