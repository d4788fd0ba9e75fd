"""README's way through local mode, line by line, as a newcomer with Docker and no AWS account follows it."""

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.images.containers import Docker, Images
from tests.serve.server_process import REPOSITORY


def block() -> list[str]:
    """The commands, continued lines joined."""
    text = (REPOSITORY / "README.md").read_text()
    found = re.search(r"<!-- local mode: begin -->\n```bash\n(.*?)```\n<!-- local mode: end -->", text, re.S)
    assert found
    return found[1].replace("\\\n", " ").strip().splitlines()


@pytest.fixture
def newcomer(docker: Docker, images_for_local_mode: Images, tmp_path: Path) -> dict[str, str]:
    """The environment of somebody who has the images, and neither credentials nor settings nor SageMaker's SDK."""
    without_sdk = tmp_path / "without-sdk"
    without_sdk.mkdir()
    (without_sdk / "sagemaker.py").write_text("raise ImportError('the SDK is not installed')\n")
    settings = {
        name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SAGEMAKER_", "SLIPWAY"))
    }
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    return settings | {
        "PATH": os.pathsep.join(
            [str(Path(docker.program).parent), str(Path(sys.executable).parent), os.environ["PATH"]]
        ),
        "HOME": str(tmp_path),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(without_sdk), os.environ.get("PYTHONPATH")])),
        "SLIPWAY_TRAIN_IMAGE": images_for_local_mode.train,
        "SLIPWAY_SERVE_IMAGE": images_for_local_mode.serve,
        "SLIPWAY_DEPLOY_PORT": str(port),
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def run(line: str, environment: Mapping[str, str], directory: Path) -> str:
    done = subprocess.run(shlex.split(line), env=environment, cwd=directory, capture_output=True, text=True)
    assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_the_local_mode_lines_work_as_they_stand(newcomer, tmp_path):
    sample, train, transform, deploy = block()
    run(sample, newcomer, tmp_path)
    assert "Test accuracy" in run(train, newcomer, tmp_path)
    run(transform, newcomer, tmp_path)
    header, *rows = (tmp_path / "predictions.csv").read_text().splitlines()
    pictures = sorted(path.name for path in (tmp_path / "digits" / "test" / "seven").iterdir())
    assert header == "image,label,probability,error"
    assert sorted(row.split(",")[0] for row in rows) == pictures
    with subprocess.Popen(
        shlex.split(deploy), env=newcomer, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as server:
        said: list[str] = []
        address = f"http://127.0.0.1:{newcomer['SLIPWAY_DEPLOY_PORT']}"
        assert server.stdout
        for line in server.stdout:
            said.append(line)
            if "slipway predict" in line:
                break
        else:
            pytest.fail("it ended before it served:\n" + "".join(said))
        # What it goes on to print is read, so that it never waits for a reader.
        threading.Thread(target=server.stdout.read, daemon=True).start()
        try:
            ask = f"slipway predict --url {address} digits/test/seven/{pictures[0]}"
            assert " %" in run(ask, newcomer, tmp_path)
        finally:
            server.send_signal(signal.SIGINT)
        assert server.wait() == 0
