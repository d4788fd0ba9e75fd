"""What runs the network: its numbers against torch's own, and what happens where they are not."""

import json
import logging
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

from container import artifact
from container.contract.errors import ArtifactError
from container.graph.check_pictures import CheckPictures
from container.model_card import ModelCard
from container.networks.build import build_model
from container.preprocessing import Preprocessing
from container.serve.settings.config import ServeConfig
from container.serve.worker.engine import choose
from container.serve.worker.engine.eager import Eager
from container.serve.worker.predictor import Predictor
from tests.serve.conftest import StartServer
from tests.serve.rounding import ROUNDING
from tests.serve.server_process import REPOSITORY

SQUARES = list(np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3), dtype=np.uint8))
PREPROCESSING = Preprocessing.for_size(64)


def trained(architecture: str) -> nn.Module:
    """A network whose batch normalisations have something to say, as after a training."""
    torch.manual_seed(1)
    model = build_model(architecture, 7)
    for name, values in model.named_buffers():
        if name.endswith("running_mean"):
            values.normal_(0, 0.2)
        elif name.endswith("running_var"):
            values.uniform_(0.5, 1.5)
    for name, weight in model.named_parameters():
        if ".bn" in name or name.startswith("bn"):
            weight.data += torch.empty_like(weight).uniform_(-0.2, 0.2)
    return model.eval()


def config(model_dir: Path, **variables: str) -> ServeConfig:
    return ServeConfig.from_environment({"SLIPWAY_USE_CUDA": "false", **variables}, model_dir=model_dir)


class Overflowing:
    """An engine in float16, for which one picture is too much."""

    name, precision, device, threads = "cuda-graphs", "f16", "cuda:0", 1

    def logits(self, squares: Sequence[np.ndarray]) -> np.ndarray:
        return np.full((len(squares), 7), np.inf, np.float32)


def test_what_float16_cannot_hold_is_computed_in_float32() -> None:
    card = ModelCard(architecture="resnet18", classes=tuple("abcdefg"), preprocessing=PREPROCESSING)
    eager = Eager(trained("resnet18"), card, torch.device("cpu"))
    predictor = Predictor(Overflowing(), card, lambda: eager)
    wanted = Predictor(eager, card, lambda: eager).probabilities(SQUARES)
    assert np.array_equal(predictor.probabilities(SQUARES), wanted)


def test_answers_that_were_given_stay_when_the_next_are_made(model_dir: Path) -> None:
    predictor = Predictor.load(config(model_dir))
    first = predictor.engine.logits(SQUARES_32[:2])
    kept = first.copy()
    predictor.engine.logits(SQUARES_32[2:4])
    assert (first == kept).all()


SQUARES_32 = [square[:32, :32] for square in SQUARES]


def test_a_model_is_loaded_and_asked_without_torch(model_dir: Path) -> None:
    code = (
        "import sys\nfrom container.serve.settings.config import ServeConfig\n"
        "from container.serve.worker.predictor import Predictor\n"
        "import container.serve.worker.service\n"
        "predictor = Predictor.load(ServeConfig.from_environment())\n"
        "total = predictor.probabilities([predictor.blank()]).sum().round(4)\n"
        "print(predictor.engine.name, total, 'torch' in sys.modules)"
    )
    variables = {
        "SAGEMAKER_BASE_DIR": str(model_dir.parent),
        "SLIPWAY_USE_CUDA": "false",
        "PYTHONPATH": str(REPOSITORY),
    }
    ended = subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, text=True, check=False)
    assert (ended.stdout.split(), ended.stderr) == (["openvino", "1.0", "False"], "")


def test_the_cards_temperature_divides_the_logits_whatever_computes_them(model_dir: Path, tmp_path: Path):
    calibrated = tmp_path / "calibrated"
    shutil.copytree(model_dir, calibrated)
    card = artifact.read_card(calibrated)
    artifact.save_card(calibrated, replace(card, calibration={"temperature": 2.0}))
    side = card.preprocessing.size
    squares = list(np.random.default_rng(2).integers(0, 256, (3, side, side, 3), dtype=np.uint8))
    for variables in ({}, {"SLIPWAY_ENGINE": "torch"}):
        plain = Predictor.load(config(model_dir, **variables)).probabilities(squares)
        scaled = Predictor.load(config(calibrated, **variables)).probabilities(squares)
        roots = np.sqrt(plain)
        np.testing.assert_allclose(scaled, roots / roots.sum(axis=1, keepdims=True), atol=1e-4)


def test_plain_torch_when_it_is_asked_for(model_dir: Path) -> None:
    engine = Predictor.load(config(model_dir, SLIPWAY_ENGINE="torch")).engine
    assert (engine.name, engine.precision, engine.device) == ("torch", "f32", "cpu")
    check = CheckPictures.load(model_dir)
    assert check.disagreement(engine.logits(list(check.squares)), "f32") == ""


def test_the_precision_that_was_asked_for_is_used_and_said(model_dir: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        assert Predictor.load(config(model_dir, SLIPWAY_PRECISION="fp32")).engine.precision == "f32"
        Predictor.load(config(model_dir, SLIPWAY_PRECISION="int8"))
    assert 'event=engine engine=openvino precision=f32 why="SLIPWAY_PRECISION=fp32"' in caplog.text
    assert 'precision=int8 why="the model has no INT8 graph; slipway export --int8 makes one"' in caplog.text


def test_an_engine_whose_numbers_are_others_is_refused(
    tmp_path: Path, model_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    copy = copied(model_dir, tmp_path / "model")
    check = CheckPictures.load(copy)
    CheckPictures(squares=check.squares, logits=np.roll(check.logits, 1, axis=1)).save(copy)
    with caplog.at_level(logging.WARNING):
        predictor = Predictor.load(config(copy))
    assert predictor.engine.name == "torch"
    assert "event=engine-refused engine=openvino precision=f32" in caplog.text
    assert "to check picture" in caplog.text or "its probabilities differ by" in caplog.text


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda graph: graph.unlink(), "there is no model.onnx"),
        (lambda graph: graph.write_bytes(graph.read_bytes()[:5000]), "onnx"),
        (lambda graph: write_foreign(graph), "it maps f32[1,3,8,8] f32[1,3,8,8], and the model u8[?,32,32,3]"),
        (lambda graph: other_tensors(graph.parent), "made from other tensors than those in model.safetensors"),
    ],
    ids=["absent", "damaged", "foreign", "stale"],
)
def test_a_graph_that_cannot_be_used_is_named_and_torch_makes_another(
    tmp_path: Path, model_dir: Path, caplog: pytest.LogCaptureFixture, spoil: Callable[[Path], object], why: str
) -> None:
    copy = copied(model_dir, tmp_path / "model")
    spoil(copy / "model.onnx")
    with caplog.at_level(logging.WARNING):
        predictor = Predictor.load(config(copy, SLIPWAY_PRECISION="fp32"))
    assert "event=graph-refused graph=model.onnx" in caplog.text
    assert why in caplog.text
    model, card = artifact.load(copy)
    wanted = Eager(model, card, torch.device("cpu")).logits(SQUARES_32)
    assert (predictor.engine.name, predictor.engine.logits(SQUARES_32)) == ("openvino", pytest.approx(wanted, abs=1e-3))


def write_foreign(path: Path) -> None:
    torch.onnx.export(nn.ReLU(), (torch.zeros(1, 3, 8, 8),), dynamo=True, verbose=False).save(path)  # type: ignore[union-attr]


def other_tensors(directory: Path) -> None:
    tensors = safetensors.torch.load_file(directory / "model.safetensors")
    tensors["fc.bias"] = tensors["fc.bias"] + 1
    (directory / "model.safetensors").unlink()
    safetensors.torch.save_file(tensors, directory / "model.safetensors")


def test_models_of_earlier_versions_and_bare_tensors_are_converted(tmp_path: Path, model_dir: Path) -> None:
    older, bare = tmp_path / "older", tmp_path / "bare"
    model, card = artifact.load(model_dir)
    artifact.save(older, model.state_dict(), replace(card, export={}))
    bare.mkdir()
    torch.save(model.state_dict(), bare / "model.pth")
    for directory in (older, bare):
        engine, _ = choose.on_cpu(directory, engine="auto", precision="fp32", threads=1)
        assert (engine.name, engine.precision) == ("openvino", "f32")


def test_tensors_that_do_not_fit_are_named_as_torch_names_them(tmp_path: Path) -> None:
    saved = tmp_path / "model"
    artifact.save(saved, trained("resnet18").state_dict(), ModelCard(
        architecture="resnet18", classes=tuple("abcdefg"), preprocessing=PREPROCESSING))  # fmt: skip
    fields = json.loads((saved / "model.json").read_text())
    (saved / "model.json").write_text(json.dumps(fields | {"architecture": "resnet34"}))
    with pytest.raises(ArtifactError, match=r"80 missing \(first: layer1.2.conv1.weight\)"):
        choose.on_cpu(saved, engine="auto", precision="auto", threads=1)
    (saved / "model.json").write_text(json.dumps(fields))
    (saved / "model.safetensors").write_bytes((saved / "model.safetensors").read_bytes()[:-1000])
    with pytest.raises(ArtifactError, match=r"model.safetensors in .* cannot be used"):
        choose.on_cpu(saved, engine="auto", precision="auto", threads=1)


def test_a_network_whose_outputs_are_not_numbers_is_left_to_torch(tmp_path: Path) -> None:
    model = trained("resnet18")
    model.fc.weight.data[0] = float("nan")
    card = ModelCard(architecture="resnet18", classes=tuple("abcdefg"), preprocessing=PREPROCESSING)
    artifact.save(tmp_path, model.state_dict(), card)
    engine, _ = choose.on_cpu(tmp_path, engine="auto", precision="auto", threads=1)
    assert engine.name == "torch"


def test_the_server_says_which_engine_it_has(start_server: StartServer, base_dir: Path, picture: bytes) -> None:
    answers = []
    for engine, wanted in (("auto", "openvino"), ("torch", "torch")):
        server = start_server(base_dir, SLIPWAY_ENGINE=engine, SLIPWAY_USE_CUDA="false")
        server.await_ready()
        [loaded] = server.events("loaded")
        assert (loaded["engine"], loaded["device"], loaded["threads"]) == (wanted, "cpu", "1")
        answers.append(server.post(picture, accept="application/json;format=scores").json)
    assert answers[0] == pytest.approx(answers[1], abs=ROUNDING)


def copied(source: Path, target: Path) -> Path:
    target.mkdir()
    for file in source.iterdir():
        (target / file.name).write_bytes(file.read_bytes())
    return target


def test_a_models_own_code_can_still_convert_other_formats(model_dir: Path):
    """The engine leaves OpenVINO's converter out until somebody calls it."""
    code = (
        "import sys; import container.graph.openvino_engine; import openvino as ov;"
        "assert 'openvino.tools.ovc' not in sys.modules;"
        "print(ov.convert_model(sys.argv[1]).outputs[0].partial_shape)"
    )
    command = [sys.executable, "-c", code, model_dir / "model.onnx"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.stdout == "[?,3]\n", done.stderr
