"""Reads files of weights without executing anything, and loads them for fine-tuning."""

import logging
import pickle
import re
import tarfile
import tempfile
import zlib
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import nn

from container.contract.errors import WeightsError
from container.model import StateDict, load_exactly, mismatch

SUFFIXES = (".safetensors", ".pth", ".pt", ".bin")
ARCHIVES = (".tar.gz", ".tgz")
_MOST_UNPACKED = 8 * 2**30

logger = logging.getLogger(__name__)

# Keys under which training programs save a state dict.
_WRAPPERS = ("state_dict", "model_state_dict", "model", "state_dict_ema")
_LANDMARK = "layer1.0.conv1.weight"
"""A tensor that every ResNet has once; DDP, torch.compile and Lightning put prefixes before it."""
_HEAD = ("fc.weight", "fc.bias")


def read_state_dict(path: Path) -> dict[str, torch.Tensor]:
    """Read tensors from a `.safetensors` file or a `.pth` one; nothing in the file is executed.

    Raises:
        WeightsError: The file is missing, damaged, TorchScript, or holds objects other than tensors.
    """
    try:
        if path.suffix == ".safetensors":
            return _unwrap(safetensors.torch.load_file(path), path)
        with path.open("rb") as file:
            start = file.read(2)
        if start[:2] != b"PK" and start[:1] != b"\x80":  # a zip archive, or the older pickle
            raise WeightsError(
                f"{path} is not a PyTorch file (it begins with {start!r}); was it downloaded completely?"
            )
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise WeightsError(f"there is no file {path}") from error
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"{path} holds objects other than tensors, and reading those would execute code; "
            "save only the state dict: torch.save(model.state_dict(), 'model.pth')"
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, safetensors.SafetensorError) as error:
        if "TorchScript" in str(error):
            raise WeightsError(
                f"{path} is a TorchScript archive, which contains code; save the state dict instead: "
                "torch.save(model.state_dict(), 'model.pth')"
            ) from error
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsError(f"{path} cannot be read as weights: {reason}") from error
    return _unwrap(content, path)


def _unwrap(content: object, path: Path) -> dict[str, torch.Tensor]:
    for wrapper in _WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(wrapper), dict):
            content = content[wrapper]
    if not isinstance(content, dict) or not all(isinstance(value, torch.Tensor) for value in content.values()):
        raise WeightsError(f"{path} holds no state dict (a mapping of names to tensors)")
    return _with_plain_head(_without_prefix({str(name): value for name, value in content.items()}, path))


def _without_prefix(tensors: dict[str, torch.Tensor], path: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of the only ResNet among these, without their prefix.

    Raises:
        WeightsError: There are several ResNets.
    """
    found = [name.removesuffix(_LANDMARK) for name in tensors if f".{name}".endswith(f".{_LANDMARK}")]
    if len(found) > 1:
        raise WeightsError(
            f"{path} holds {len(found)} networks ({', '.join(f'{prefix}*' for prefix in found)}); save the state dict "
            "of only one"
        )
    prefix = found[0] if found else ""
    if others := [name for name in tensors if not name.startswith(prefix)]:
        logger.warning(
            "%s: of the network %s*, %d other tensors are not used (first: %s)",
            path.name,
            prefix,
            len(others),
            others[0],
        )
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _with_plain_head(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Rename the head to fc.weight and fc.bias if it is one linear layer after a dropout (fc.1.weight)."""
    head = [name for name in tensors if name.startswith("fc.")]
    place = head[0].rpartition(".")[0] if head else ""
    if sorted(head) != [f"{place}.bias", f"{place}.weight"] or not re.fullmatch(r"fc\.\d+", place):
        return tensors
    return {(f"fc.{name.rpartition('.')[2]}" if name in head else name): value for name, value in tensors.items()}


def load_pretrained(model: nn.Module, state_dict: StateDict, architecture: str) -> None:
    """Load all tensors; the head keeps its initial values unless its shapes match.

    torchvision's and timm's ResNets have the same tensor names, so both are accepted.

    Raises:
        WeightsError: Tensors of the body are missing, unknown or of another shape.
    """
    own = model.state_dict()
    body = {name: value for name, value in state_dict.items() if name not in _HEAD}
    if problem := mismatch({name: value for name, value in own.items() if name not in _HEAD}, body):
        raise WeightsError(f"these weights are not {architecture}'s: {problem}; set model-type to the weights' own")
    head = {
        name: state_dict[name] if name in state_dict and state_dict[name].shape == own[name].shape else own[name]
        for name in _HEAD
    }
    if any(head[name] is own[name] for name in _HEAD):
        head = {name: own[name] for name in _HEAD}
    load_exactly(model, body | head)


def find_weights_file(directory: Path) -> Path:
    """Find the only file of weights in a channel's directory, or else the only archive of a model.

    Raises:
        WeightsError: There is none, or more than one.
    """
    present = sorted(path for path in directory.rglob("*") if path.is_file())
    files = [path for path in present if path.suffix in SUFFIXES]
    files = files or [path for path in present if path.name.endswith(ARCHIVES)]
    if len(files) != 1:
        names = [path.name for path in files or present][:5]
        raise WeightsError(
            f"the weights channel ({directory}) must hold exactly one file ending in {', '.join(SUFFIXES)}, or one "
            f"model.tar.gz; found {', '.join(names) or 'none'}"
        )
    return files[0]


def read_weights_file(path: Path) -> dict[str, torch.Tensor]:
    """Read tensors from a file of weights, or from the one in an archive; nothing in either is executed.

    Raises:
        WeightsError: The file cannot be read, or an archive holds no file of weights, or several.
    """
    if not path.name.endswith(ARCHIVES):
        return read_state_dict(path)
    try:
        with tempfile.TemporaryDirectory(prefix="slipway-weights-") as folder, tarfile.open(path) as archive:
            found = _member(archive, path)
            archive.extract(found, folder, filter="data")
            try:
                return read_state_dict(Path(folder) / found.name)
            except WeightsError as error:
                raise WeightsError(str(error).replace(folder, str(path))) from error
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise WeightsError(f"{path} cannot be unpacked: {error}") from error


def _member(archive: tarfile.TarFile, path: Path) -> tarfile.TarInfo:
    members, size = [], 0
    for member in archive:
        size += member.size
        if size > _MOST_UNPACKED:
            raise WeightsError(
                f"{path} unpacks to more than {_MOST_UNPACKED // 2**30} GB, more than any supported model; provide the "
                "file of weights itself"
            )
        if member.isfile() and Path(member.name).suffix in SUFFIXES:
            members.append(member)
    if len(members) != 1:
        names = ", ".join(member.name for member in members[:5]) or "none"
        raise WeightsError(
            f"{path} must hold exactly one file ending in {', '.join(SUFFIXES)}; found {names}. Unpack it, and "
            "provide the file of weights itself"
        )
    return members[0]
