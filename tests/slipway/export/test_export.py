"""`slipway export` on a trained model, and what a program without Slipway reads from the result."""

import ast
import gc
import json
import shutil
import subprocess
import tarfile
from pathlib import Path

import numpy as np
import onnx
import openvino
import pytest
import torch

from container import artifact
from container.export.onnx_file import write_onnx
from container.graph.cpu_features import has_int8_products
from container.networks.build import build_model
from container.networks.pixels_to_logits import PixelsToLogits
from container.serve.settings.config import ServeConfig
from container.serve.worker.predictor import Predictor
from tests.slipway.conftest import COLOURS, paint

SQUARES = np.random.default_rng(3).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)


@pytest.fixture
def model(trained, tmp_path: Path) -> Path:
    """A copy of the trained model's directory."""
    return Path(shutil.copytree(trained.directory / "model", tmp_path / "model"))


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Enough pictures to quantise with."""
    folder = tmp_path_factory.mktemp("many")
    for seed in range(60):
        label = sorted(COLOURS)[seed % len(COLOURS)]
        paint(folder / label / f"{seed}.png", COLOURS[label], seed)
    return folder


def test_training_exports_one_file_that_needs_nothing_of_ours(trained):
    directory = trained.directory / "model"
    graph = onnx.load(directory / "model.onnx")
    metadata = {each.key: each.value for each in graph.metadata_props}
    assert json.loads(metadata["classes"]) == sorted(COLOURS)
    assert json.loads(metadata["preprocessing"])["size"] == 32
    assert not list(directory.glob("*.data"))
    network, card = artifact.load(directory)
    compiled = openvino.compile_model(str(directory / "model.onnx"), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    for count in (1, 3, 5):
        with torch.inference_mode():
            wanted = PixelsToLogits(network, card.preprocessing)(torch.from_numpy(SQUARES[:count])).numpy()
        assert compiled([SQUARES[:count]])[0] == pytest.approx(wanted, abs=1e-3)
    assert "initializer" not in trained.done.stdout + trained.done.stderr, "the exporter's own log"
    facts = card.export["model.onnx"]
    assert facts["real_pictures"] is True
    assert (facts["pictures"], facts["equal_classes"]) == (9, 1.0)
    assert facts["largest_difference"] < 1e-3


def test_finalizers_may_parse_source_while_a_network_is_exported(model: Path, tmp_path: Path):
    def parse(*_: object) -> None:
        ast.parse("a + b")

    network, card = artifact.load(model)
    before = gc.get_threshold()
    gc.callbacks.append(parse)
    gc.set_threshold(100)
    try:
        write_onnx(tmp_path / "model.onnx", network, card)
    finally:
        gc.set_threshold(*before)
        gc.callbacks.remove(parse)
    assert (tmp_path / "model.onnx").exists()


def test_int8_is_kept_where_the_answers_stay(model: Path, many: Path, slipway):
    done = slipway("export", model, "--int8", "--data", many)
    assert done.returncode == 0, done.stderr
    assert "exported model.int8.xml: accuracy 100.00% on 60 pictures, 100.00% in floating point" in done.stdout
    facts = json.loads((model / "model.json").read_text())["export"]["model.int8.xml"]
    assert facts["equal_classes"] >= 0.98
    environment = {"SLIPWAY_USE_CUDA": "false", "SLIPWAY_PRECISION": "int8"}
    predictor = Predictor.load(ServeConfig.from_environment(environment, model_dir=model))
    assert (predictor.engine.precision == "int8") == has_int8_products()


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("--int8",), "INT8 needs validation pictures to choose its ranges and to prove itself: name them with --data"),
        (("--int8", "--data", "{colours}"), "INT8 needs at least 50 validation pictures to choose its ranges and to"),
        (("--int8", "--data", "{one}"), "INT8 needs validation pictures of at least two classes; all are of one"),
        (("--int8", "--format", "torchscript"), "TorchScript has no INT8 form here; leave --int8 out"),
        (("--data", "{other}"), "has no class of the model: it has lemon"),
    ],
)
def test_what_cannot_be_exported_is_said(model: Path, many: Path, colours, tmp_path: Path, slipway, arguments, error):
    shutil.copytree(many / "red", tmp_path / "one" / "red")
    for seed in range(40):
        paint(tmp_path / "one" / "red" / f"more-{seed}.png", COLOURS["red"], 100 + seed)
    paint(tmp_path / "other" / "lemon" / "0.png", COLOURS["red"], 0)
    folders = {"colours": colours, "one": tmp_path / "one", "other": tmp_path / "other"}
    done = slipway("export", model, *(each.format(**folders) for each in arguments))
    assert done.returncode == 1
    assert error in done.stderr
    assert "Traceback" not in done.stderr


def test_an_archive_of_bare_tensors_gains_openvinos_form(tmp_path: Path, slipway):
    torch.save(build_model("resnet18", 3).state_dict(), tmp_path / "model.pth")
    archive = tmp_path / "model.tar.gz"
    with tarfile.open(archive, "w:gz", compresslevel=0) as tar:
        tar.add(tmp_path / "model.pth", "model.pth")
    done = slipway("export", archive, "--format", "openvino")
    assert done.returncode == 0, done.stderr
    (tmp_path / "out").mkdir()
    subprocess.run(["tar", "--extract", f"--file={archive}", f"--directory={tmp_path / 'out'}"], check=True)
    compiled = openvino.compile_model(str(tmp_path / "out" / "model.xml"), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    picture = np.random.default_rng(0).integers(0, 256, (1, 224, 224, 3), dtype=np.uint8)
    network, card = artifact.load(tmp_path / "out")
    with torch.inference_mode():
        wanted = PixelsToLogits(network, card.preprocessing)(torch.from_numpy(picture)).numpy()
    assert compiled([picture])[0] == pytest.approx(wanted, abs=1e-2)


def test_torchscript_takes_what_the_graph_takes(model: Path, slipway):
    assert slipway("export", model, "--format", "torchscript").returncode == 0
    traced = torch.jit.load(model / "model.pt")
    network, card = artifact.load(model)
    pixels = torch.from_numpy(SQUARES)
    with torch.inference_mode():
        wanted = PixelsToLogits(network, card.preprocessing)(pixels)
        assert torch.allclose(traced(pixels), wanted, atol=1e-3)
