"""What Docker's words are turned into, where the real ones need a daemon or a registry that cannot be had here."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from slipway.errors import CredentialsError, DeniedError, EngineError, ServiceError, SpaceError, UnreachableError
from slipway.push.engine import BuiltImage, built_image, push_image

Speak = Callable[..., None]
URI = "111122223333.dkr.ecr.eu-west-1.amazonaws.com/slipway:train"
IMAGE = BuiltImage(
    target="train",
    name="slipway:train-0123456789ab",
    tag="train-0123456789ab",
    id="sha256:1",
    layers=(),
    settings={},
    size=1,
)


@pytest.fixture
def docker_that_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Speak:
    """Stands for docker: `inspect` answers with an image, `push` fails with a text."""

    def speak(failure: str = "", image: object = None) -> None:
        (tmp_path / "failure").write_text(failure)
        (tmp_path / "image").write_text(json.dumps([image]))
        program = tmp_path / "docker"
        program.write_text(
            f"#!/bin/sh\ncase $1 in image) cat {tmp_path}/image ;; push) cat {tmp_path}/failure >&2; exit 1 ;; esac\n"
        )
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))

    return speak


@pytest.mark.parametrize(
    ("failure", "kind", "message"),
    [
        (
            "denied: User: arn:aws:iam::1:user/x is not authorized to perform: ecr:InitiateLayerUpload",
            DeniedError,
            r"ecr:InitiateLayerUpload\); pushing needs ecr:GetAuthorizationToken on \*, and on the repository",
        ),
        (
            "denied: Your authorization token has expired. Reauthenticate and try again.",
            CredentialsError,
            "run it again: it gets a new password, and resumes where it stopped",
        ),
        ("no basic auth credentials", CredentialsError, "run it again"),
        ("write /var/lib/docker/tmp/x: no space left on device", SpaceError, "free some space and run it again"),
        ('Put "https://x/v2/": x509: certificate signed by unknown authority', UnreachableError, "certs.d"),
        ("dial tcp: lookup x on 10.0.0.2:53: no such host", UnreachableError, "check Docker's network"),
        ("write tcp 10.0.0.1:1->10.0.0.2:443: write: broken pipe", UnreachableError, "goes on where it stopped"),
        (
            "Got permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock",
            EngineError,
            "add it to the group docker",
        ),
        ("tag invalid: The image tag is immutable", ServiceError, "^docker push to 111.*: tag invalid: The image tag"),
        ("", ServiceError, "docker push ended with exit code 1"),
    ],
)
def test_a_failed_push_says_what_to_do(failure, kind, message, docker_that_says):
    docker_that_says(failure)
    with pytest.raises(ServiceError, match=message) as caught:
        push_image(IMAGE, URI, "token")
    assert type(caught.value) is kind


def test_settings_of_docker_that_cannot_be_read_are_named(docker_that_says, tmp_path):
    docker_that_says()
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(EngineError, match=r"config\.json, Docker's settings, cannot be read .*fix or remove it"):
        push_image(IMAGE, URI, "token")


def inspected(*names: str, architecture: str = "amd64", revision: str = "0123456789ab") -> dict[str, object]:
    return {
        "Id": "sha256:1",
        "RepoTags": list(names),
        "Os": "linux",
        "Architecture": architecture,
        "Size": 1,
        "RootFS": {"Layers": ["sha256:2"]},
        "Config": {"Labels": {"org.opencontainers.image.revision": revision.ljust(40, "0")}},
    }


@pytest.mark.parametrize(
    ("names", "tag"),
    [
        (["slipway:train", "slipway:train-0123456789ab"], "train-0123456789ab"),
        (["slipway:train-0123456789ab-dirty", "slipway:train"], "train-0123456789ab-dirty"),
        (["slipway:train-aaaaaaaaaaaa", "slipway:train-0123456789ab", "other:train-0"], "train-0123456789ab"),
        (["slipway:train-unknown-dirty", "slipway:train"], "train-unknown-dirty"),
    ],
)
def test_the_tag_is_that_of_the_revision_in_the_image(names, tag, docker_that_says):
    docker_that_says(image=inspected(*names))
    image = built_image("train")
    assert image.tag == tag
    assert image.revision == tag.removeprefix("train-")


def test_an_image_for_another_processor_is_refused_before_it_is_pushed(docker_that_says):
    docker_that_says(image=inspected("slipway:train", architecture="arm64"))
    with pytest.raises(ServiceError, match=r"slipway:train is a linux/arm64 image, and SageMaker runs linux/amd64"):
        built_image("train")
