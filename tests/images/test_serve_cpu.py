"""The serving image for CPUs (build.sh serve --cpu): small, without torch, and plain about what it cannot serve."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from container.artifact import save
from container.export.export import export
from container.model_card import ModelCard
from container.networks.build import build_model
from container.preprocessing import Preprocessing
from slipway.sample import CLASSES
from tests.images.containers import LOCKED_DOWN, SERVING_GRACE_S, Docker, serving, unavailable
from tests.images.test_layers import START_JAVA_WITH_ITS_ARCHIVE
from tests.serve.server_process import await_true
from tests.serve.worker.test_explain import as_file, b64

PICTURE = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def image(docker: Docker, built: None) -> str:
    """What ./build.sh serve --cpu made, or the image that SLIPWAY_SERVE_CPU_IMAGE names."""
    name = os.environ.get("SLIPWAY_SERVE_CPU_IMAGE", "slipway:serve-cpu")
    if docker.try_("image", "inspect", name).returncode != 0:
        unavailable(f"there is no image {name}; run ./build.sh serve --cpu first")
    return name


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network of timm's with its exported graph."""
    directory = tmp_path_factory.mktemp("model")
    torch.manual_seed(1)
    network = build_model("mobilenetv3_small_050", len(CLASSES))
    card = ModelCard(
        architecture="mobilenetv3_small_050", classes=tuple(CLASSES), preprocessing=Preprocessing.for_size(64)
    )
    save(directory, network.state_dict(), card)
    export(directory, None, int8=False, told=print)
    for path in (directory, *directory.iterdir()):
        path.chmod(0o755)
    return directory


def test_it_is_small_has_no_torch_and_says_what_it_is(docker: Docker, image: str):
    inspected = docker.inspect(image)
    assert inspected["Size"] < 600e6
    labels = inspected["Config"]["Labels"]
    assert labels["org.opencontainers.image.title"] == "slipway-serve-cpu"
    assert labels["com.amazonaws.sagemaker.capabilities.multi-models"] == "true"
    assert not [name for name in labels if name.startswith("slipway.")], "neither torch nor CUDA"
    assert not [entry for entry in inspected["Config"]["Env"] if entry.startswith("NVIDIA")]
    ended = docker.run("--network=none", image, "python", "-m", "pip", "list", "--format=json")
    found = {package["name"].lower() for package in json.loads(ended.stdout)}
    assert {"openvino", "multi-model-server"} < found
    assert not [name for name in found if name.startswith(("torch", "timm", "triton", "nvidia-c", "cuda", "opencv"))]
    ended = docker.run("--network=none", image, "python", "-m", "pip", "check")
    missing = [line for line in ended.stdout.splitlines() if "openvino-telemetry" not in line]
    assert missing in ([], ["No broken requirements found."])


def test_java_starts_with_the_archive_of_its_classes(docker: Docker, image: str):
    ended = docker.run("--network=none", image, "python", "-c", START_JAVA_WITH_ITS_ARCHIVE)
    assert "--mms-config-file" in ended.stdout


def test_an_exported_network_is_served_and_explained_by_any_user(docker: Docker, image: str, model_dir: Path):
    with serving(docker, image, model_dir, *LOCKED_DOWN) as server:
        server.await_ready()
        body = json.dumps({"image": b64(as_file(PICTURE)), "explain": {"view": "map"}}).encode()
        answer = server.request("POST", "/invocations", body, "application/json")
        assert answer.status == 200, answer.body
        assert {prediction["label"] for prediction in answer.json["predictions"]} < set(CLASSES)
        explanation = answer.json["explanation"]
        assert (explanation["method"], explanation["layer"]) == ("occlusion", "input")
        assert "engine=openvino" in server.container.logs
        await_true(lambda: server.container.state["Health"]["Status"] == "healthy", "the engine finds it healthy")
        ended = server.container.stop(SERVING_GRACE_S)
    assert ended.code == 0, ended.log


@pytest.mark.parametrize("what", ["inference.py", "SLIPWAY_ENGINE", "model.onnx"])
def test_what_needs_torch_ends_the_server_with_one_line(
    docker: Docker, image: str, model_dir: Path, tmp_path: Path, what: str
):
    tmp_path.chmod(0o755)
    for name in ("model.json", "model.safetensors", "model.onnx", "check.safetensors"):
        if name != what:
            (tmp_path / name).symlink_to(model_dir / name)
    mounts = [f"--volume={tmp_path}:/opt/ml/model:ro", f"--volume={model_dir}:{model_dir}:ro", "--network=none"]
    if what == "inference.py":
        (tmp_path / "code").mkdir()
        (tmp_path / "code" / what).write_text("def model_fn(model_dir): ...\n")
    setting = ["--env=SLIPWAY_ENGINE=torch"] if what == "SLIPWAY_ENGINE" else []
    ended = docker.run(*mounts, *setting, image)
    assert ended.code == 1
    assert len(ended.stderr.splitlines()) == 1, ended.stderr
    assert ended.stderr.startswith("serve: ")
    assert what in ended.stderr
    assert "torch" in ended.stderr
    assert "Traceback" not in ended.log


def test_of_many_models_the_one_without_a_graph_is_refused_and_the_others_served(
    docker: Docker, image: str, model_dir: Path, tmp_path: Path
):
    bare = tmp_path / "bare"
    bare.mkdir(mode=0o755)
    for name in ("model.json", "model.safetensors"):
        shutil.copy(model_dir / name, bare)
    mounts = [f"--volume={path}:/opt/ml/models/{path.name}:ro" for path in (bare, model_dir)]
    with serving(docker, image, tmp_path, *mounts, "--env=SAGEMAKER_MULTI_MODEL=true") as server:
        server.await_ready()
        answers = [
            server.request("POST", "/models", json.dumps(wish).encode(), "application/json")
            for wish in ({"model_name": path.name, "url": f"/opt/ml/models/{path.name}"} for path in (bare, model_dir))
        ]
        assert [answer.status for answer in answers] == [422, 200]
        assert "this server has no torch" in answers[0].json["error"]["message"]
        body = json.dumps({"image": b64(as_file(PICTURE))}).encode()
        assert server.request("POST", f"/models/{model_dir.name}/invoke", body, "application/json").status == 200
