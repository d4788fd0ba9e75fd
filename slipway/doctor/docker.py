"""Checks Docker on this machine: the engine, Compose, and the images that build.sh made."""

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Any

from slipway.doctor.finding import Finding
from slipway.settings.pushed_images import BUILT_NAME, CPU_TARGET

TARGETS = ("train", "serve", CPU_TARGET)
CUDA, OLDEST_DRIVER = "slipway.cuda.version", "slipway.nvidia-driver.minimum"
"""Labels of the images with CUDA: its version, and the driver that it needs at least."""

_VERSION, _REVISION = "org.opencontainers.image.version", "org.opencontainers.image.revision"
_ANSWER_S = 10


def check_docker() -> Iterator[Finding]:
    """Find Docker's engine, Compose and the built images."""
    if shutil.which("docker") is None:
        text = "not installed; needed to build images and for --instance-type local"
        yield Finding(name="Docker", status="absent", text=text, remedy="https://docs.docker.com/engine/install")
        return
    engine = run("docker", "version", "--format", "{{.Server.Version}}")
    if engine is None:
        remedy = "start Docker; or check DOCKER_HOST, docker context ls, and that you are in the group docker"
        yield Finding(name="Docker", status="failed", text="installed, and its engine does not answer", remedy=remedy)
        return
    yield Finding(name="Docker", status="ok", text=f"engine {engine.strip()}")
    compose = run("docker", "compose", "version", "--short")
    if compose is None:
        text, remedy = "not installed; only the SDK's own local mode needs it", "install docker-compose-plugin"
        yield Finding(name="Compose", status="absent", text=text, remedy=remedy)
    else:
        yield Finding(name="Compose", status="ok", text=f"version {compose.strip()}")
    yield from map(_image, TARGETS)


def image_labels(target: str) -> Mapping[str, str] | None:
    """Labels of the image that build.sh made last; None if there is none, or Docker does not answer."""
    said = run("docker", "image", "inspect", f"{BUILT_NAME}:{target}", "--format", "{{json .Config.Labels}}")
    if said is None:
        return None
    labels: Any = json.loads(said)
    return labels if isinstance(labels, dict) else {}


def run(*command: str) -> str | None:
    """Run a program and return its standard output; None if it is missing, fails, or does not answer within 10 s."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=_ANSWER_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def _image(target: str) -> Finding:
    name, build = f"{target} image", f"./build.sh {'serve --cpu' if target == CPU_TARGET else target}"
    labels = image_labels(target)
    if labels is None:
        return Finding(name=name, status="absent", text="not built here", remedy=build)
    built, here = labels.get(_VERSION, "unknown"), version("slipway")
    cuda = f", CUDA {labels[CUDA]}" if CUDA in labels else ""
    text = f"{BUILT_NAME}:{target}, version {built}, revision {labels.get(_REVISION, 'unknown')[:12]}{cuda}"
    if built != here:
        return Finding(name=name, status="failed", text=f"{text}; Slipway here is {here}", remedy=build)
    return Finding(name=name, status="ok", text=text)
