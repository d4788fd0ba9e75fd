"""docker/compose.yaml: from the sample data to a prediction with one command."""

import os
import shutil
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

from slipway.sample import write_sample
from tests.images.containers import Docker, Images, unavailable

ROOT = Path(__file__).parents[2]
PROJECT = "slipway-test-compose"


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def test_the_sample_data_is_trained_on_and_the_model_served(
    docker: Docker, images_for_local_mode: Images, tmp_path: Path
):
    program = shutil.which("docker-compose") or unavailable("docker-compose is not on PATH")
    port = free_port()
    images = images_for_local_mode
    settings = {"SLIPWAY_TRAIN_IMAGE": images.train, "SLIPWAY_SERVE_IMAGE": images.serve}
    environment = {**os.environ, **settings, "SLIPWAY_PORT": str(port), "EPOCHS": "1"}
    compose = [program, "--project-name", PROJECT, "--file", str(ROOT / "docker" / "compose.yaml")]
    write_sample(tmp_path / "digits")
    picture = next((tmp_path / "digits" / "test" / "seven").iterdir()).read_bytes()
    address = f"http://127.0.0.1:{port}"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        up = subprocess.run([*compose, "up", "--detach"], env=environment, capture_output=True, text=True)
        assert up.returncode == 0, up.stderr
        labels = [f"--filter=label=com.docker.compose.{name}" for name in (f"project={PROJECT}", "service=serve")]
        serving = docker("ps", "--quiet", *labels)
        while docker("container", "inspect", "--format={{.State.Health.Status}}", serving) == "starting":
            time.sleep(0.2)
        request = urllib.request.Request(f"{address}/invocations", picture, {"Content-Type": "image/png"})
        with opener.open(request) as answer:
            assert b'"predictions"' in answer.read()
    finally:
        subprocess.run([*compose, "down", "--volumes", "--timeout=30"], env=environment, capture_output=True)
