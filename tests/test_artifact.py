import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from container import artifact
from container.contract.errors import ArtifactError
from container.model_card import ModelCard
from container.networks.build import build_model
from container.preprocessing import Preprocessing

CARD = ModelCard(
    architecture="resnet18",
    classes=("Afghan hound", "Übergröße", "犬"),
    preprocessing=Preprocessing.for_size(64),
    training={"pictures": {"train": 3}},
)


@pytest.fixture(scope="module")
def model() -> nn.Module:
    torch.manual_seed(0)
    return build_model("resnet18", 3).eval()


@pytest.fixture
def saved(tmp_path: Path, model: nn.Module) -> Path:
    artifact.save(tmp_path / "model", model.state_dict(), CARD)
    return tmp_path / "model"


def test_what_is_saved_is_what_is_loaded(saved: Path, model: nn.Module):
    loaded, card = artifact.load(saved)
    assert card == CARD
    assert not loaded.training
    inputs = torch.randn(2, 3, 64, 64)
    assert torch.equal(loaded(inputs), model(inputs))
    assert sorted(path.name for path in saved.iterdir()) == ["model.json", "model.safetensors"]


def test_a_bare_seed_model_says_its_architecture_and_classes_itself(tmp_path: Path):
    torch.save(build_model("resnet34", 133).state_dict(), tmp_path / "model.pth")
    _, card = artifact.load(tmp_path)
    assert card.architecture == "resnet34"
    assert card.classes == tuple(str(index) for index in range(133))
    assert card.preprocessing == Preprocessing(size=224, resize="crop", short_side=256)


def test_a_failing_save_leaves_the_earlier_model(saved: Path, model: nn.Module, monkeypatch: pytest.MonkeyPatch):
    before = {path.name: path.read_bytes() for path in saved.iterdir()}

    def full(path: Path, data: bytes) -> int:
        path.open("wb").write(data[:1000])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space"):
        artifact.save(saved, build_model("resnet18", 3).state_dict(), replace(CARD, training={}))
    assert {path.name: path.read_bytes() for path in saved.iterdir()} == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format_version": 99}, "format_version is 99"),
        ({"architecture": "VGG 16"}, "architecture is 'VGG 16'"),
        (
            {"architecture": "resnet51"},
            "model.json .*there is no network 'resnet51' in timm .*; the nearest are resnet51q, resnet",
        ),
        ({"classes": []}, "classes is not a list"),
        ({"classes": ["a", "a", "b"]}, "names a class twice"),
        ({"export": ["model.onnx"]}, "export is not an object"),
        ({"classes": ["a", "b"]}, r"fc\.weight is \(3, 512\) instead of \(2, 512\)"),
        ({"architecture": "resnet34"}, "do not fit the model"),
        ({"preprocessing": None}, "preprocessing is not an object"),
        ({"preprocessing": {"size": 64}}, r"preprocessing\.resize is missing"),
        ({"training": 3}, "training is not an object"),
    ],
)
def test_a_wrong_card_names_the_field(saved: Path, change: dict[str, object], message: str):
    card = json.loads((saved / "model.json").read_text())
    (saved / "model.json").write_text(json.dumps(card | change))
    with pytest.raises(ArtifactError, match=message):
        artifact.load(saved)


def test_damaged_and_missing_files(saved: Path):
    tensors = (saved / "model.safetensors").read_bytes()
    (saved / "model.safetensors").write_bytes(tensors[: len(tensors) // 2])
    with pytest.raises(ArtifactError, match=r"model\.safetensors in .* cannot be used"):
        artifact.load(saved)
    (saved / "model.safetensors").unlink()
    with pytest.raises(ArtifactError, match="there is no file"):
        artifact.load(saved)
    (saved / "model.json").write_text("{")
    with pytest.raises(ArtifactError, match="cannot be read as JSON"):
        artifact.load(saved)


def test_a_directory_with_something_else(tmp_path: Path):
    (tmp_path / "xgboost-model").touch()
    with pytest.raises(ArtifactError, match=r"no model in .* it holds xgboost-model"):
        artifact.load(tmp_path)
    with pytest.raises(ArtifactError, match=r"there is no model directory .*/gone"):
        artifact.load(tmp_path / "gone")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=8), children, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(sorted(CARD.to_json())), JSON))
def test_any_json_gives_a_card_or_an_artifact_error(change: dict[str, object]):
    fields = CARD.to_json() | change
    try:
        card = ModelCard.from_json(fields)
    except ArtifactError:
        return
    assert ModelCard.from_json(json.loads(json.dumps(card.to_json()))).classes == tuple(fields["classes"])
