"""What runs the network: its numbers against torch's own, and what happens where they are not."""

import json
import logging
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from container.serve.worker.engine.openvino_engine import OpenVino
from torch import nn

from container import artifact
from container.contract.errors import ArtifactError
from container.contract.networks import RESNETS
from container.model_card import ModelCard, read_card, save_card
from container.networks.build import build_model
from container.preprocessing import Preprocessing
from container.serve.settings.config import ServeConfig
from container.serve.worker.engine import choose
from container.serve.worker.engine.eager import Eager
from container.serve.worker.engine.engine import error_of
from container.serve.worker.predictor import Predictor
from tests.serve.conftest import CLASSES, StartServer
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


@pytest.mark.parametrize("architecture", RESNETS)
def test_openvino_has_torchs_numbers(architecture: str) -> None:
    model = trained(architecture)
    tensors = {name: value.numpy() for name, value in model.state_dict().items()}
    engine = OpenVino(architecture, tensors, PREPROCESSING, threads=1)
    card = ModelCard(architecture=architecture, classes=tuple("abcdefg"), preprocessing=PREPROCESSING)
    eager = Eager(model, card, torch.device("cpu"))
    for squares in (SQUARES[:1], SQUARES, SQUARES[1:3]):
        wanted = eager.logits(squares)
        found = engine.logits(squares)
        assert found.shape == wanted.shape == (len(squares), 7)
        most = 1e-4 if engine.precision == "f32" else 5e-2
        assert np.linalg.norm(found - wanted) < most * np.linalg.norm(wanted)


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


def test_plain_torch_when_it_is_asked_for(model_dir: Path) -> None:
    engine = Predictor.load(config(model_dir, SLIPWAY_ENGINE="torch")).engine
    assert (engine.name, engine.precision, engine.device) == ("torch", "f32", "cpu")
    assert error_of(engine, read_card(model_dir)) < 1e-6


def test_an_engine_whose_numbers_are_others_is_refused(
    tmp_path: Path, model_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    copy = copied(model_dir, tmp_path / "model")
    card = read_card(copy)
    assert len(card.reference) == len(CLASSES)
    save_card(copy, replace(card, reference=tuple(1.25 * value for value in card.reference)))
    with caplog.at_level(logging.WARNING):
        predictor = Predictor.load(config(copy))
    assert predictor.engine.name == "torch"
    assert "event=engine-refused engine=openvino error=0.2" in caplog.text


def test_what_has_no_reference_gets_one_from_torch(tmp_path: Path, model_dir: Path) -> None:
    copy = copied(model_dir, tmp_path / "model")
    save_card(copy, replace(read_card(copy), reference=()))
    older = tmp_path / "older"
    older.mkdir()
    torch.save(artifact.load(model_dir)[0].state_dict(), older / "model.pth")
    for directory in (copy, older):
        engine, card = choose.on_cpu(directory, plain=False, threads=1)
        assert (engine.name, len(card.reference)) == ("openvino", len(CLASSES))


def test_tensors_that_do_not_fit_are_named_as_torch_names_them(tmp_path: Path) -> None:
    saved = tmp_path / "model"
    artifact.save(saved, trained("resnet18").state_dict(), ModelCard(
        architecture="resnet18", classes=tuple("abcdefg"), preprocessing=PREPROCESSING))  # fmt: skip
    fields = json.loads((saved / "model.json").read_text())
    (saved / "model.json").write_text(json.dumps(fields | {"architecture": "resnet34"}))
    with pytest.raises(ArtifactError, match=r"80 missing \(first: layer1.2.conv1.weight\)"):
        choose.on_cpu(saved, plain=False, threads=1)
    (saved / "model.json").write_text(json.dumps(fields))
    (saved / "model.safetensors").write_bytes((saved / "model.safetensors").read_bytes()[:-1000])
    with pytest.raises(ArtifactError, match=r"model.safetensors in .* cannot be used"):
        choose.on_cpu(saved, plain=False, threads=1)


def test_a_network_whose_outputs_are_not_numbers_has_no_reference(tmp_path: Path) -> None:
    model = trained("resnet18")
    model.fc.weight.data[0] = float("nan")
    card = ModelCard(architecture="resnet18", classes=tuple("abcdefg"), preprocessing=PREPROCESSING)
    artifact.save(tmp_path, model.state_dict(), card)
    assert read_card(tmp_path).reference == ()
    engine, _ = choose.on_cpu(tmp_path, plain=False, threads=1)
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
