from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn

from container.errors import WeightsError
from container.model import architecture_of, build_model
from container.weights import find_weights_file, load_pretrained, read_state_dict


@pytest.fixture(scope="module")
def imagenet() -> nn.Module:
    """Stands for pretrained weights: 1,000 classes, tensor names as torchvision and timm both have them."""
    torch.manual_seed(1)
    return build_model("resnet18", 1000)


@pytest.mark.parametrize("form", ["plain.pth", "wrapped.pth", "ddp.pt", "ddp.safetensors"])
def test_the_body_is_loaded_and_the_head_replaced(imagenet: nn.Module, tmp_path: Path, form: str):
    state_dict = imagenet.state_dict()
    file = tmp_path / form
    if file.suffix == ".safetensors":
        safetensors.torch.save_file({f"module.{name}": value for name, value in state_dict.items()}, file)
    elif form == "wrapped.pth":
        torch.save({"epoch": 3, "state_dict": state_dict}, file)
    elif form == "ddp.pt":
        torch.save({f"module.{name}": value for name, value in state_dict.items()}, file)
    else:
        torch.save(state_dict, file)
    model = build_model("resnet18", 5)
    head = model.fc.weight.clone()
    load_pretrained(model, read_state_dict(file), "resnet18")
    for name, value in model.state_dict().items():
        if name.startswith("fc."):
            assert torch.equal(model.fc.weight, head)
        else:
            assert torch.equal(value, state_dict[name]), name


def test_a_head_of_the_right_size_is_kept(imagenet: nn.Module):
    model = build_model("resnet18", 1000)
    load_pretrained(model, imagenet.state_dict(), "resnet18")
    assert torch.equal(model.fc.weight, imagenet.fc.weight)


def test_weights_without_a_head_are_taken(imagenet: nn.Module):
    body = {name: value for name, value in imagenet.state_dict().items() if not name.startswith("fc.")}
    model = build_model("resnet18", 5)
    load_pretrained(model, body, "resnet18")
    assert torch.equal(model.conv1.weight, imagenet.conv1.weight)


def test_another_architecture_is_refused_by_name(imagenet: nn.Module):
    with pytest.raises(WeightsError, match=r"not resnet34's: .* missing \(first: layer1\.2\.conv1\.weight\)"):
        load_pretrained(build_model("resnet34", 5), imagenet.state_dict(), "resnet34")


class _Evil:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return (Path.touch, (self.marker,))


def test_nothing_in_a_file_is_executed(tmp_path: Path):
    torch.save({"weight": _Evil(tmp_path / "executed")}, tmp_path / "evil.pth")
    with pytest.raises(WeightsError, match="would have to be executed"):
        read_state_dict(tmp_path / "evil.pth")
    assert not (tmp_path / "executed").exists()


def test_files_that_hold_something_else(tmp_path: Path):
    (tmp_path / "text.pth").write_text("not weights")
    (tmp_path / "empty.pth").write_bytes(b"")
    (tmp_path / "text.safetensors").write_text("not weights")
    torch.save([1, 2, 3], tmp_path / "list.pth")
    torch.jit.script(nn.Linear(2, 2)).save(tmp_path / "script.pt")
    for name, reason in {
        "text.pth": r"is no PyTorch file \(it begins with b'no'\)",
        "empty.pth": "is no PyTorch file",
        "text.safetensors": "cannot be read as weights",
        "list.pth": "no state dict",
        "script.pt": "TorchScript archive",
        "missing.pth": "there is no file",
    }.items():
        with pytest.raises(WeightsError, match=reason):
            read_state_dict(tmp_path / name)


@pytest.mark.parametrize("architecture", ["resnet18", "resnet34", "resnet50", "resnet101", "resnet152"])
def test_the_architecture_is_read_off_the_tensors(architecture: str):
    with torch.device("meta"):
        assert architecture_of(build_model(architecture, 7).state_dict()) == (architecture, 7)


def test_tensors_of_no_resnet():
    with pytest.raises(WeightsError, match=r"not the tensors of a ResNet .* begin with: weight, bias"):
        architecture_of(nn.Linear(2, 2).state_dict())


def test_the_weights_channel_holds_one_file(tmp_path: Path):
    with pytest.raises(WeightsError, match="found none"):
        find_weights_file(tmp_path)
    (tmp_path / "a.pth").touch()
    (tmp_path / "readme.md").touch()
    assert find_weights_file(tmp_path) == tmp_path / "a.pth"
    (tmp_path / "b.safetensors").touch()
    with pytest.raises(WeightsError, match=r"found a\.pth, b\.safetensors"):
        find_weights_file(tmp_path)
