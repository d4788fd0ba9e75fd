import io
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image

from container.artifact import save
from container.model_card import ModelCard
from container.networks.build import build_model
from container.preprocessing import Preprocessing
from tests.serve.server_process import ServerProcess

CLASSES = ("cat", 'dog, "big"', "bird")

StartServer = Callable[..., ServerProcess]


@pytest.fixture(scope="session")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real ResNet-18 with three classes and an input of 32 x 32, whose answers differ from picture to picture."""
    directory = tmp_path_factory.mktemp("artifact") / "model"
    torch.manual_seed(0)
    model = build_model("resnet18", len(CLASSES))
    model.fc.weight.data *= 20
    card = ModelCard(architecture="resnet18", classes=CLASSES, preprocessing=Preprocessing.for_size(32))
    save(directory, model.state_dict(), card)
    if find_spec("openvino"):  # torch serves it elsewhere, as on a machine for tests/gpu
        from container.export.export import export

        export(directory, None, int8=False, told=print)
    return directory


def remove_network(model_dir: Path) -> None:
    """Take away what holds the network: its tensors and its graph."""
    for name in ("model.safetensors", "model.onnx"):
        (model_dir / name).unlink()


def diverge(model_dir: Path) -> None:
    """Put in place of a model's tensors those that a training run may leave that has gone wrong."""
    file = model_dir / "model.safetensors"
    tensors = safetensors.torch.load_file(file)
    tensors["layer4.1.bn2.running_var"][3] = float("inf")
    tensors["fc.bias"][1] = float("nan")
    file.unlink()
    safetensors.torch.save_file(tensors, file)


@pytest.fixture
def base_dir(tmp_path: Path, model_dir: Path) -> Path:
    """A base directory of the test's own, with the model's files."""
    directory = tmp_path / "base"
    (directory / "model" / "code").mkdir(parents=True)
    for file in model_dir.iterdir():
        (directory / "model" / file.name).symlink_to(file)
    return directory


@pytest.fixture(scope="session")
def picture() -> bytes:
    """A JPEG of 80 x 64 pixels."""
    return jpeg(0)


@pytest.fixture(scope="session")
def pictures() -> list[bytes]:
    """Twenty different JPEGs."""
    return [jpeg(seed) for seed in range(20)]


def jpeg(seed: int) -> bytes:
    small = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    data = io.BytesIO()
    Image.fromarray(small).resize((80, 64), Image.Resampling.BICUBIC).save(data, "JPEG", quality=95)
    return data.getvalue()


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[StartServer]:
    """Start servers that end with the test."""
    started: list[ServerProcess] = []

    def start(base_dir: Path, **settings: str) -> ServerProcess:
        log_dir = tmp_path / f"server-{len(started)}"
        log_dir.mkdir()
        started.append(ServerProcess(base_dir, log_dir, **settings))
        return started[-1]

    yield start
    for server in started:
        if server.process.poll() is None:
            server.stop()
        server.kill()


@pytest.fixture(scope="session")
def server(model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """The server that tests share which change nothing about it: body limit 1 MiB, at most 40 pictures."""
    running = ServerProcess(
        model_dir.parent,
        tmp_path_factory.mktemp("server"),
        SAGEMAKER_MAX_PAYLOAD_IN_MB="1",
        SLIPWAY_MAX_PICTURES="40",
        SLIPWAY_MAX_PIXELS="1000000",
    )
    try:
        running.await_ready()
        yield running
        assert running.stop() == 0, running.log + running.errors
        assert running.errors == ""
    finally:
        running.kill()
