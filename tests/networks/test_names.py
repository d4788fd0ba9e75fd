"""Names of networks, and what a network cannot be."""

import subprocess
import sys
from pathlib import Path

import pytest

from container import artifact
from container.contract.errors import HyperparameterError
from container.contract.hyperparameters import TrainConfig
from container.model_card import ModelCard
from container.networks.build import build_model
from container.networks.check import check_network
from container.networks.names import is_resnet
from container.preprocessing import Preprocessing
from tests.networks import NETWORKS


@pytest.mark.parametrize(
    ("network", "size", "sentence"),
    [
        ("convnext_tinny", 32, r"no network 'convnext_tinny' in timm .*; the nearest are convnext_tiny, "),
        ("resnet51", 32, r"no network 'resnet51' in timm .*; the nearest are .*resnet50"),
        (
            "convnext_tiny.in1k",
            32,
            r"no pretrained configuration 'in1k' of the network convnext_tiny; .* convnext_tiny\.fb_in1k",
        ),
        ("vit_small_patch16_224", 100, r"into patches of 16 x 16 pixels: choose a multiple of 16, such as 96 or 112"),
        ("vit_small_patch14_dinov2", 224 + 1, r"a multiple of 14, such as 224 or 238"),
        ("gemma4_vit_167m_enc", 256, r"a network without a classifier"),
        ("inception_v3", 32, r"inception_v3 cannot take pictures of 32 x 32 pixels \(.*\); choose another image-size"),
    ],
)
def test_what_cannot_be_trained_is_one_sentence(network: str, size: int, sentence: str):
    with pytest.raises(HyperparameterError, match=sentence) as caught:
        check_network(network, size)
    assert "\n" not in str(caught.value)


def test_a_name_with_a_tag_is_that_network():
    assert type(build_model("vit_tiny_patch16_224.augreg_in21k", 2, image_size=32)).__name__ == "VisionTransformer"


@pytest.mark.parametrize("network", ["resnet18", "vgg11", "densenet121"])
def test_stochastic_depth_is_refused_where_there_is_none(network: str):
    with pytest.raises(HyperparameterError, match=f"{network} has no stochastic depth, and drop-path is 0.1; set"):
        check_network(network, 64, drop_path=0.1)


@pytest.mark.parametrize("network", ["convnext_atto", "vit_tiny_patch16_224", "regnety_002"])
def test_stochastic_depth_rises_to_the_last_block(network: str):
    model = build_model(network, 2, image_size=32, drop_path=0.2)
    rates = [module.drop_prob for module in model.modules() if type(module).__name__ == "DropPath"]
    assert rates == sorted(rates)
    assert rates[-1] == pytest.approx(0.2)


def test_only_the_five_resnets_are_torchvisions():
    assert [name for name in NETWORKS if is_resnet(name)] == ["resnet50"]
    assert not is_resnet("resnet50.a1_in1k")


def test_model_name_is_another_name_of_model_type():
    assert TrainConfig.from_strings({"model-name": '"resnet18"'}) == TrainConfig(model_type="resnet18")
    both = {"model-type": "resnet18", "model-name": "resnet18"}
    assert TrainConfig.from_strings(both) == TrainConfig(model_type="resnet18")
    with pytest.raises(HyperparameterError, match="model-type is 'resnet18' and 'resnet34', under two names: give"):
        TrainConfig.from_strings(both | {"model-name": "resnet34"})


def test_neither_the_command_nor_a_resnet_imports_timm(tmp_path: Path):
    model = build_model("resnet18", 2)
    card = ModelCard(architecture="resnet18", classes=("a", "b"), preprocessing=Preprocessing.for_size(32))
    artifact.save(tmp_path, model.state_dict(), card)
    serve = f"from container import artifact; from pathlib import Path; artifact.load(Path({str(tmp_path)!r}))"
    for program in (["-m", "slipway", "--help"], ["-c", f"import container.train.loop.train_model; {serve}"]):
        done = subprocess.run([sys.executable, "-X", "importtime", *program], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
        assert "container" in imported
        assert not imported & {"timm", "huggingface_hub"}
