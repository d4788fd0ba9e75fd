"""Docker, through its command line: finds built images, and runs `docker push`."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE
from typing import Any

from slipway.aws.permissions import denied
from slipway.errors import CredentialsError, EngineError, ServiceError, SpaceError, UnreachableError
from slipway.processes.process import child_process
from slipway.settings.pushed_images import CPU_TARGET

NAME = "slipway"
"""Local repository of build.sh's images: slipway:train, and slipway:train-REVISION for the same image."""


class Interrupted(Exception):  # noqa: N818 (no error: the user asked for it)
    """A signal arrived during a push."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@dataclass(frozen=True)
class BuiltImage:
    """An image in this machine's Docker."""

    target: str
    name: str
    """Local name with the tag of its revision: slipway:train-0123456789ab."""
    tag: str
    """Tag of its revision: train-0123456789ab, perhaps with -dirty."""
    id: str
    layers: tuple[str, ...]
    """Digests of the layers, uncompressed."""
    settings: Mapping[str, Any]
    """Settings of the image: environment, command, labels and so on."""
    size: int
    """Size on this machine in bytes, uncompressed."""

    @property
    def labels(self) -> Mapping[str, str]:
        return self.settings.get("Labels") or {}

    @property
    def revision(self) -> str:
        return self.tag.removeprefix(f"{self.target}-")


def built_image(target: str, repository: str = NAME) -> BuiltImage:
    """Find the image that build.sh built last.

    Args:
        target: train, serve, serve-cpu, train-cuda12 or serve-cuda12.
        repository: Local repository of build.sh's images.

    Raises:
        EngineError: Docker does not answer, or there is no such image.
        ServiceError: SageMaker could not run the image.
    """
    name = f"{repository}:{target}"
    done = _docker("image", "inspect", name)
    if done.returncode != 0:
        if "no such image" in done.stderr.lower():
            raise EngineError(f"there is no image {name}; build it first: {_build(target, repository)}")
        raise _failure(done.stderr)
    answer = json.loads(done.stdout)[0]
    platform = f"{answer['Os']}/{answer['Architecture']}"
    if platform != "linux/amd64":
        raise ServiceError(f"{name} is a {platform} image, and SageMaker runs linux/amd64; build it on such a machine")
    settings = {name: value for name, value in (answer.get("Config") or {}).items() if value}
    tag = _revision_tag(target, repository, answer.get("RepoTags") or [], settings.get("Labels") or {})
    return BuiltImage(
        target=target,
        name=f"{repository}:{tag}",
        tag=tag,
        id=answer["Id"],
        layers=tuple(answer["RootFS"].get("Layers") or ()),
        settings=settings,
        size=answer["Size"],
    )


def _build(target: str, repository: str) -> str:
    image, _, cuda = target.partition("-cuda")
    name = "serve --cpu" if target == CPU_TARGET else f"{image} --cuda {cuda}" if cuda else target
    return f"./build.sh {name}" + (f" --name {repository}" if repository != NAME else "")


def _revision_tag(target: str, repository: str, names: Sequence[str], labels: Mapping[str, str]) -> str:
    tags = [name.rpartition(":")[2] for name in names if name.startswith(f"{repository}:{target}-")]
    if not tags:
        raise EngineError(
            f"{repository}:{target} has no second name with its revision ({repository}:{target}-…); "
            f"build it with {_build(target, repository)}"
        )
    built_from = f"{target}-{labels.get('org.opencontainers.image.revision', '')[:12]}"
    return min(tags, key=lambda tag: (not tag.startswith(built_from), tag.endswith("-dirty"), tag))


def push_image(image: BuiltImage, uri: str, token: str) -> None:
    """Tag the image for the registry, and have Docker push it; existing layers are skipped.

    Args:
        image: Image to push.
        uri: Registry host, repository and tag.
        token: base64 of user:password.

    Raises:
        Interrupted: SIGINT, SIGTERM or SIGHUP arrived.
        ServiceError: The push failed; a subclass says why.
    """
    if (done := _docker("tag", image.id, uri)).returncode != 0:
        raise _failure(done.stderr)
    host = uri.partition("/")[0]
    # On a terminal, Docker draws its own bars there.
    on_terminal = sys.stdout.isatty()
    with (
        _logged_in(host, token) as environment,
        tempfile.TemporaryFile("w+") as errors,
        child_process(
            [_program(), "push", uri], environment, stdout=None if on_terminal else PIPE, stderr=errors
        ) as child,
    ):
        if not on_terminal:
            for line in child.stdout:
                if line.strip().endswith((": Pushed", ": Layer already exists")) or ": Mounted from " in line:
                    sys.stdout.write(f"  {line.strip()}\n")
                    sys.stdout.flush()
        code = child.wait()
        errors.seek(0)
        said = errors.read()
    if child.received:
        raise Interrupted(child.received[0])
    if code != 0:
        raise _failure(said or f"docker push ended with exit code {code}", host)


@contextmanager
def _logged_in(host: str, token: str) -> Iterator[dict[str, str]]:
    """Build an environment with the registry's password and the user's docker settings, without the user's passwords.

    The password is in a file that only this user can read, in memory if the system supports that, and only while the
    body runs: never in the user's own configuration, on a command line or in a log.
    """
    own = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    try:
        settings = json.loads((own / "config.json").read_text())
    except FileNotFoundError:
        settings = {}
    except (OSError, ValueError) as error:
        raise EngineError(
            f"{own / 'config.json'}, Docker's settings, cannot be read ({error}); fix or remove it"
        ) from error
    for kept_elsewhere in ("credsStore", "credHelpers"):
        settings.pop(kept_elsewhere, None)
    settings["auths"] = {host: {"auth": token}}
    memory = Path("/dev/shm")  # noqa: S108 (a folder of its own is made there)
    with tempfile.TemporaryDirectory(prefix="slipway-", dir=memory if os.access(memory, os.W_OK) else None) as folder:
        for name in ("contexts", "cli-plugins"):
            if (own / name).is_dir():
                (Path(folder) / name).symlink_to((own / name).absolute())
        file = Path(folder, "config.json")
        file.touch(mode=0o600)
        file.write_text(json.dumps(settings))
        yield {**os.environ, "DOCKER_CONFIG": folder}


def _docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([_program(), *arguments], capture_output=True, text=True, check=False)


def _program() -> str:
    if program := shutil.which("docker"):
        return program
    raise EngineError("there is no docker on PATH; install Docker (https://docs.docker.com/engine/install)")


# Fragments of messages of Docker, the kernel and registries, and the errors that they mean.
_SIGNS: tuple[tuple[tuple[str, ...], type[ServiceError], str], ...] = (
    (
        ("permission denied while trying to connect", "docker.sock: connect: permission denied"),
        EngineError,
        "this user may not use Docker; add it to the group docker, or run ./push.sh as one that may",
    ),
    (
        ("cannot connect to the docker daemon", "is the docker daemon running", "error during connect"),
        EngineError,
        "start Docker, or check DOCKER_HOST and docker context ls",
    ),
    (("no space left on device", "disk quota exceeded"), SpaceError, "free some space and run it again"),
    (
        ("token has expired", "no basic auth credentials", "unauthorized", "authentication required"),
        CredentialsError,
        "run it again: it gets a new password, and resumes where it stopped",
    ),
    (
        ("unexpected http status: 5",),
        UnreachableError,
        "the registry fails; run it again later, and where the registry is your own, look at its log and its disk",
    ),
    (
        (
            "dial tcp",
            "no such host",
            "connection refused",
            "connection reset",
            "broken pipe",
            "timeout",
            "deadline exceeded",
            "eof",
            "x509",
            "proxyconnect",
            "tls:",
        ),
        UnreachableError,
        "check Docker's network, proxy and certificates (/etc/docker/certs.d), and run it again: it goes on where it "
        "stopped",
    ),
)


def _failure(said: str, host: str | None = None) -> ServiceError:
    """Build the error for docker's output on its standard error."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    text = lines[-1] if lines else "docker failed and did not say why"
    lowered = said.lower()
    where = f"docker push to {host}" if host else "docker"
    for signs, kind, advice in _SIGNS:
        if any(sign in lowered for sign in signs):
            return kind(f"{where}: {text}; {advice}")
    if host and ("denied" in lowered or "not authorized" in lowered):
        return denied(f"pushing to {host}", text)
    return ServiceError(f"{where}: {text}")
