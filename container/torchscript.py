"""Finds and loads TorchScript archives as models. Imports torch only to load one."""

import warnings
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from container.contract.errors import ArtifactError
from container.contract.model_files import CARD, SEED_TENSORS

if TYPE_CHECKING:
    import torch
    from torch import nn

DEFAULT_NAME = "model.pt"
SUFFIXES = (".pt", ".pth")


def find_torchscript(directory: Path) -> Path | None:
    """Find the TorchScript archive that is a directory's model: `model.pt`, or the only one there.

    None if the directory holds another kind of model, or several archives and none of that name.
    """
    if (directory / CARD).is_file():
        return None
    files = sorted(path for path in directory.glob("*.pt*") if path.suffix in SUFFIXES)
    archives = [path for path in files if _is_torchscript(path)]
    if directory / SEED_TENSORS in files and directory / SEED_TENSORS not in archives:
        return None
    named = [path for path in archives if path.name == DEFAULT_NAME]
    candidates = named or archives
    return candidates[0] if len(candidates) == 1 else None


def _is_torchscript(path: Path) -> bool:
    """Whether the archive has the file of constants by which torch tells TorchScript from a state dict."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("/constants.pkl") for name in archive.namelist())
    except (OSError, ValueError, zipfile.BadZipFile):
        return False


def load_torchscript(path: Path, device: "torch.device") -> "nn.Module":
    """Load an archive onto a device, in evaluation mode. It contains code: see docs/security.md.

    Raises:
        ArtifactError: torch cannot load it.
    """
    import torch

    try:
        with warnings.catch_warnings():
            # From 2.14 on torch says at each call that torch.jit is deprecated, which a server's user cannot change.
            warnings.simplefilter("ignore", FutureWarning)
            model: nn.Module = torch.jit.load(path, map_location=device)  # type: ignore[no-untyped-call]
    except RuntimeError as error:
        reason = str(error).strip().partition("\n")[0]
        raise ArtifactError(f"{path.name} in {path.parent} cannot be loaded as TorchScript: {reason}") from error
    return model.eval()
