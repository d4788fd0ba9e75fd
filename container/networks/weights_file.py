"""Finds and reads files of weights, without executing anything."""

import logging
import pickle
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO, cast

import safetensors
import safetensors.torch
import torch

from container.contract.errors import WeightsError
from container.contract.model_files import CARD, TENSORS
from container.networks import hub_folder, resnets

SUFFIXES = (".safetensors", ".pth", ".pt", ".bin")
ARCHIVES = (".tar.gz", ".tgz")
_MOST_UNPACKED = 8 * 2**30

logger = logging.getLogger(__name__)

# Keys under which training programs save a state dict.
_WRAPPERS = ("state_dict", "model_state_dict", "model", "state_dict_ema")


def read_state_dict(path: Path, landmark: str = resnets.LANDMARK) -> dict[str, torch.Tensor]:
    """Read tensors from a `.safetensors` file or a `.pth` one; nothing in the file is executed.

    Args:
        path: The file.
        landmark: A tensor that the network has once; what the file has before this name is taken off all names. Empty:
            names are taken as they are.

    Raises:
        WeightsError: The file is missing, damaged, TorchScript, or holds objects other than tensors.
    """
    try:
        if path.suffix == ".safetensors":
            return _unwrap(safetensors.torch.load_file(path), path, landmark)
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
    return _unwrap(content, path, landmark)


def _unwrap(content: object, path: Path, landmark: str) -> dict[str, torch.Tensor]:
    for wrapper in _WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(wrapper), dict):
            content = content[wrapper]
    if not isinstance(content, dict) or not all(isinstance(value, torch.Tensor) for value in content.values()):
        raise WeightsError(f"{path} holds no state dict (a mapping of names to tensors)")
    tensors = {str(name): value for name, value in content.items()}
    return resnets.with_plain_head(_without_prefix(tensors, path, landmark) if landmark else tensors)


def _without_prefix(tensors: dict[str, torch.Tensor], path: Path, landmark: str) -> dict[str, torch.Tensor]:
    """Return the tensors of the only network among these, without their prefix.

    Raises:
        WeightsError: There are several networks.
    """
    found = [name.removesuffix(landmark) for name in tensors if f".{name}".endswith(f".{landmark}")]
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


def find_weights_file(directory: Path) -> Path:
    """Find the only file of weights in a channel's directory, or else the only archive of a model.

    Raises:
        WeightsError: There is none, or more than one.
    """
    present = sorted(path for path in directory.rglob("*") if path.is_file())
    files = [path for path in present if path.suffix in SUFFIXES]
    files = _of_a_model(present) or files or [path for path in present if path.name.endswith(ARCHIVES)]
    if len(files) > 1 and (chosen := hub_folder.preferred(files)):
        return chosen
    if len(files) != 1:
        names = [path.name for path in files or present][:5]
        raise WeightsError(
            f"the weights channel ({directory}) must hold exactly one file ending in {', '.join(SUFFIXES)}, or one "
            f"model.tar.gz; found {', '.join(names) or 'none'}"
        )
    return files[0]


def _of_a_model(paths: Sequence[Path]) -> list[Path]:
    """Find the tensors of a model of ours; its directory also holds graphs and check pictures, which are no weights."""
    return [path for path in paths if path.name == TENSORS and path.with_name(CARD) in paths]


def read_weights_file(path: Path, landmark: str = resnets.LANDMARK) -> dict[str, torch.Tensor]:
    """Read tensors from a file of weights, or from the one in an archive; nothing in either is executed.

    Raises:
        WeightsError: The file cannot be read, or an archive holds no file of weights, or several.
    """
    if not path.name.endswith(ARCHIVES):
        return read_state_dict(path, landmark)
    try:
        with tempfile.TemporaryDirectory(prefix="slipway-weights-") as folder, tarfile.open(path) as archive:
            found = _member(archive, path)
            # Not `extract`: it has no filter in Python 3.11 before 3.11.4, such as Debian's.
            unpacked = Path(folder) / Path(found.name).name
            with cast(IO[bytes], archive.extractfile(found)) as source, unpacked.open("wb") as target:
                shutil.copyfileobj(source, target)
            try:
                return read_state_dict(unpacked, landmark)
            except WeightsError as error:
                raise WeightsError(str(error).replace(folder, str(path))) from error
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise WeightsError(f"{path} cannot be unpacked: {error}") from error


def _member(archive: tarfile.TarFile, path: Path) -> tarfile.TarInfo:
    members, paths, size = [], [], 0
    for member in archive:
        size += member.size
        if size > _MOST_UNPACKED:
            raise WeightsError(
                f"{path} unpacks to more than {_MOST_UNPACKED // 2**30} GB, more than any supported model; provide the "
                "file of weights itself"
            )
        paths.append(Path(member.name))
        if member.isfile() and Path(member.name).suffix in SUFFIXES:
            members.append(member)
    own = _of_a_model(paths)
    members = [member for member in members if Path(member.name) in own] or members
    if len(members) != 1:
        names = ", ".join(member.name for member in members[:5]) or "none"
        raise WeightsError(
            f"{path} must hold exactly one file ending in {', '.join(SUFFIXES)}; found {names}. Unpack it, and "
            "provide the file of weights itself"
        )
    return members[0]
