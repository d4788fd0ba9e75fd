import io
import tarfile
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn

from container.contract.errors import WeightsError
from container.networks.build import build_model
from container.networks.pretrained import load_pretrained
from container.networks.resnets import architecture_of
from container.networks.state_dict import load_exactly
from container.networks.weights_file import SUFFIXES, find_weights_file, read_state_dict, read_weights_file


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


@pytest.mark.parametrize("prefix", ["module._orig_mod.", "_orig_mod.module.", "model.net.", "model.module.module."])
def test_prefixes_in_any_order_and_what_lies_beside_the_network(
    imagenet: nn.Module, tmp_path: Path, prefix: str, caplog
):
    """A Lightning checkpoint holds its loss function's weights too; they are named, and left out."""
    state_dict = imagenet.state_dict()
    file = tmp_path / "last.pth"
    named = {f"{prefix}{name}": value for name, value in state_dict.items()}
    torch.save({"epoch": 3, "state_dict": named | {"criterion.weight": torch.ones(5)}}, file)
    read = read_state_dict(file)
    assert list(read) == list(state_dict)
    assert all(torch.equal(read[name], value) for name, value in state_dict.items())
    assert "1 other tensors are not used (first: criterion.weight)" in caplog.text


def test_two_networks_are_refused_by_name(imagenet: nn.Module, tmp_path: Path):
    state_dict = imagenet.state_dict()
    torch.save(
        {f"{who}.{name}": value for who in ("student", "ema") for name, value in state_dict.items()}, tmp_path / "w.pth"
    )
    with pytest.raises(WeightsError, match=r"w\.pth holds 2 networks \(student\.\*, ema\.\*\)"):
        read_state_dict(tmp_path / "w.pth")


def test_an_odd_tensor_beside_plain_names_is_named(imagenet: nn.Module, tmp_path: Path):
    torch.save(imagenet.state_dict() | {"criterion.weight": torch.ones(5)}, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=r"1 unknown \(first: criterion\.weight\)"):
        load_exactly(imagenet, read_state_dict(tmp_path / "w.pth"))


def test_a_head_after_a_dropout(imagenet: nn.Module, tmp_path: Path):
    model = build_model("resnet18", 5)
    model.fc = nn.Sequential(nn.Dropout(0.3), nn.Linear(512, 5))
    torch.save(model.state_dict(), tmp_path / "dropout.pth")
    read = read_state_dict(tmp_path / "dropout.pth")
    assert architecture_of(read) == ("resnet18", 5)
    assert torch.equal(read["fc.weight"], model.fc[1].weight)
    model.fc = nn.Sequential(nn.Linear(512, 64), nn.ReLU(), nn.Linear(64, 5))
    torch.save(model.state_dict(), tmp_path / "deep.pth")
    with pytest.raises(WeightsError, match=r"not one linear layer: it has fc\.0\.weight, fc\.0\.bias, fc\.2\.weight"):
        architecture_of(read_state_dict(tmp_path / "deep.pth"))


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
    with pytest.raises(WeightsError, match="would execute code"):
        read_state_dict(tmp_path / "evil.pth")
    assert not (tmp_path / "executed").exists()


def test_files_that_hold_something_else(tmp_path: Path):
    (tmp_path / "text.pth").write_text("not weights")
    (tmp_path / "empty.pth").write_bytes(b"")
    (tmp_path / "text.safetensors").write_text("not weights")
    torch.save([1, 2, 3], tmp_path / "list.pth")
    torch.jit.script(nn.Linear(2, 2)).save(tmp_path / "script.pt")
    for name, reason in {
        "text.pth": r"is not a PyTorch file \(it begins with b'no'\)",
        "empty.pth": "is not a PyTorch file",
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
    (tmp_path / "model.tar.gz").touch()
    assert find_weights_file(tmp_path) == tmp_path / "model.tar.gz"
    (tmp_path / "a.pth").touch()
    (tmp_path / "readme.md").touch()
    assert find_weights_file(tmp_path) == tmp_path / "a.pth"
    (tmp_path / "b.safetensors").touch()
    with pytest.raises(WeightsError, match=r"found a\.pth, b\.safetensors"):
        find_weights_file(tmp_path)


def packed(path: Path, *names: str, link: str = "") -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name in names:
            info = tarfile.TarInfo(name)
            content = b"{}"
            if Path(name).suffix in SUFFIXES:
                content = safetensors.torch.save({"weight": torch.ones(3)})
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        if link:
            info = tarfile.TarInfo(link)
            info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(info)
    return path


def test_the_weights_within_an_archive_are_read(tmp_path: Path):
    path = packed(tmp_path / "model.tar.gz", "model.json", "code/inference.py", "./model.safetensors")
    assert read_weights_file(path)["weight"].tolist() == [1, 1, 1]
    assert [*tmp_path.iterdir()] == [path]


def test_an_archive_that_cannot_be_taken_says_why(tmp_path: Path):
    (tmp_path / "cut.tar.gz").write_bytes(packed(tmp_path / "a.tar.gz", "model.safetensors").read_bytes()[:-40])
    (tmp_path / "text.tar.gz").write_text("text")
    packed(tmp_path / "two.tar.gz", "a.safetensors", "b.safetensors")
    packed(tmp_path / "none.tar.gz", "model.json", link="model.safetensors")
    with tarfile.open(tmp_path / "bomb.tar.gz", "w:gz") as archive:
        info = tarfile.TarInfo("model.safetensors")
        info.size = 9 * 2**30
        archive.fileobj.write(info.tobuf())  # its content is never asked for
    with tarfile.open(tmp_path / "wrong.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "text.tar.gz", "model.safetensors")
    for name, reason in {
        "cut": r"cut\.tar\.gz cannot be unpacked",
        "text": r"text\.tar\.gz cannot be unpacked",
        "two": "found a.safetensors, b.safetensors. Unpack it, and provide the file of weights itself",
        "none": "exactly one file ending in .*; found none",
        "bomb": "unpacks to more than 8 GB",
        "wrong": r"wrong\.tar\.gz/model\.safetensors cannot be read as weights",
    }.items():
        with pytest.raises(WeightsError, match=reason):
            read_weights_file(tmp_path / f"{name}.tar.gz")


def test_nothing_is_written_where_a_name_in_an_archive_points(tmp_path: Path):
    path = packed(tmp_path / "model.tar.gz", "../../outside.safetensors")
    assert read_weights_file(path)["weight"].tolist() == [1, 1, 1]
    assert not list(tmp_path.parent.rglob("outside.safetensors"))
