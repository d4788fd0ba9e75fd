"""The Docker engine of this machine: connects to it, finds images, and explains its errors."""

import base64
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from docker.client import DockerClient
from docker.context import ContextAPI
from docker.errors import APIError, DockerException, ImageNotFound

from slipway.errors import EngineError, ServiceError, SettingError, SpaceError

# How long one call of the engine may take, in seconds; a busy disk makes starts slow.
_CALL_S = 600

_ECR = re.compile(r"(\d{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com(\.cn)?")
_NO_GPU = ("could not select device driver", "nvidia-container-cli", "cdi device")
_NO_PROGRAM = re.compile(r'exec: "([^"]+)": (?:executable file not found|stat )')
_SYSTEM_ERROR = re.compile(r"(?:\[Errno \d+\] |Error\(\d+, ')([\w ]+)")
_PORT_TAKEN = ("port is already allocated", "address already in use")


@contextmanager
def connected() -> Iterator[DockerClient]:
    """Connect to the engine of DOCKER_HOST, or else of Docker's current context, which may be a rootless one.

    Raises:
        EngineError: Docker is not installed or not running, or this user may not use it.
    """
    with explained("connecting to Docker"):
        found = ContextAPI.get_current_context()
        if found is None or found.name == "default":
            client = DockerClient.from_env(timeout=_CALL_S)
        else:
            client = DockerClient(base_url=found.Host, tls=found.TLSConfig, timeout=_CALL_S)
    try:
        yield client
    finally:
        client.close()


@contextmanager
def explained(action: str) -> Iterator[None]:
    """Turn errors of Docker in the body into one sentence that says what to do.

    Args:
        action: What the body does, such as "starting the container".

    Raises:
        EngineError: Docker does not answer, or this user may not use it.
        SettingError: A port is taken, the image lacks a program, or Docker has no GPU support.
        SpaceError: The disk is full.
        ServiceError: Docker refuses for another reason.
    """
    try:
        yield
    except (DockerException, OSError) as error:
        raise _explanation(action, error) from error


def _explanation(action: str, error: Exception) -> ServiceError:
    text = " ".join(str(getattr(error, "explanation", None) or error).split())
    lowered = text.lower()
    if "no space left on device" in lowered or "disk quota exceeded" in lowered:
        return SpaceError(f"{action}: the disk is full ({text}); free some space, such as with docker system prune")
    if any(sign in lowered for sign in _NO_GPU):
        return SettingError(
            f"{action}: Docker cannot use a GPU here ({text}); install the NVIDIA Container Toolkit, or give "
            "--instance-type local"
        )
    if any(sign in lowered for sign in _PORT_TAKEN):
        return SettingError(f"{action}: the port is taken; stop what listens there, or give another with --port")
    if missing := _NO_PROGRAM.search(text):
        return SettingError(f"{action}: the image has no program {missing[1]}; name another image with --image")
    if isinstance(error, APIError):
        return ServiceError(f"{action}: Docker refuses: {text}")
    if "permission denied" in lowered:
        return EngineError(
            f"{action}: this user may not use Docker; add the user to the group docker and sign in again, or use "
            "rootless Docker"
        )
    reason = found[1] if (found := _SYSTEM_ERROR.search(text)) else text
    return EngineError(
        f"{action}: Docker does not answer ({reason}); install it (https://docs.docker.com/engine/install) or start "
        "it, and check DOCKER_HOST and docker context ls"
    )


def require_image(client: DockerClient, image: str) -> None:
    """Pull an image of a registry unless it is there.

    Args:
        client: The engine.
        image: Name of a local image, or address of one in a registry; ECR's are pulled with the AWS credentials.

    Raises:
        EngineError: There is no such image.
        ServiceError: AWS or Docker refuses.
    """
    try:
        with explained(f"looking for the image {image}"):
            try:
                client.images.get(image)
            except ImageNotFound:
                pull = _pull_options(image)
            else:
                return
        if pull is None:
            target = image.rpartition(":")[2]
            how = f"./build.sh {target}" if target in ("train", "serve") else "./build.sh"
            raise EngineError(f"Docker has no image {image}; build it with {how}, or name another with --image")
        with explained(f"pulling the image {image}"):
            client.images.pull(image, **pull)
    except ImageNotFound as error:
        raise EngineError(f"there is no image {image} in its registry; check its name") from error


def _pull_options(image: str) -> dict[str, Any] | None:
    """Arguments for pulling an image; None if its name has no registry."""
    host, slash, _ = image.partition("/")
    if not slash or not (set(host) & set(".:") or host == "localhost"):
        return None
    if not (found := _ECR.fullmatch(host)):
        return {}
    from slipway.aws.connection import Aws
    from slipway.settings.slipway_toml import Settings

    ecr = Aws(found[2], Settings.read().profile).service("ecr")
    token = ecr.call("GetAuthorizationToken")["authorizationData"][0]["authorizationToken"]
    user, _, password = base64.b64decode(token).decode().partition(":")
    return {"auth_config": {"username": user, "password": password}}
