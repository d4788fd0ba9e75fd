"""Files of weights: reading them without executing anything, and fine-tuning from them."""

import pickle
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import nn

from container.errors import WeightsError
from container.model import StateDict, load_exactly, mismatch

SUFFIXES = (".safetensors", ".pth", ".pt", ".bin")

# What training programs wrap around a state dict, and what DDP and torch.compile put before its names.
_WRAPPERS = ("state_dict", "model_state_dict", "model", "state_dict_ema")
_PREFIXES = ("module.", "_orig_mod.", "model.")
_HEAD = ("fc.weight", "fc.bias")


def read_state_dict(path: Path) -> dict[str, torch.Tensor]:
    """Read tensors from a `.safetensors` file or a `.pth` one; nothing in the file is executed.

    Raises:
        WeightsError: The file is missing, damaged, TorchScript, or holds other objects than tensors.
    """
    try:
        if path.suffix == ".safetensors":
            return _unwrap(safetensors.torch.load_file(path), path)
        with path.open("rb") as file:
            start = file.read(2)
        if start[:2] != b"PK" and start[:1] != b"\x80":  # a zip archive, or a pickle of old
            raise WeightsError(f"{path} is no PyTorch file (it begins with {start!r}); was it downloaded whole?")
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise WeightsError(f"there is no file {path}") from error
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"{path} holds other objects than tensors, which would have to be executed to be read; "
            "save the state dict alone: torch.save(model.state_dict(), 'model.pth')"
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, safetensors.SafetensorError) as error:
        if "TorchScript" in str(error):
            raise WeightsError(
                f"{path} is a TorchScript archive, which is a program; save the state dict instead: "
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
    tensors = {str(name): value for name, value in content.items()}
    for prefix in _PREFIXES:
        if tensors and all(name.startswith(prefix) for name in tensors):
            tensors = {name.removeprefix(prefix): value for name, value in tensors.items()}
    return tensors


def load_pretrained(model: nn.Module, state_dict: StateDict, architecture: str) -> None:
    """Load everything but the head, which stays as it was initialised unless its shape is the model's.

    torchvision's and timm's ResNets have the same tensor names, so both are taken.

    Raises:
        WeightsError: Any other difference, named.
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
    """The one file of weights in a channel's directory.

    Raises:
        WeightsError: There is none, or more than one.
    """
    files = sorted(path for path in directory.rglob("*") if path.suffix in SUFFIXES and path.is_file())
    if len(files) != 1:
        found = "none" if not files else ", ".join(path.name for path in files[:5])
        raise WeightsError(
            f"the weights channel ({directory}) must hold exactly one file ending in {', '.join(SUFFIXES)}; "
            f"found {found}"
        )
    return files[0]
