"""Other forms of an exported model, for programs of others: OpenVINO's own, and TorchScript."""

import tempfile
import warnings
from pathlib import Path
from typing import Any

import torch

from container import artifact
from container.atomic_file import write_atomically
from container.contract.errors import ExportError
from container.contract.model_files import GRAPH
from container.first_line import first_line
from container.graph.openvino_engine import core
from container.networks.pixels_to_logits import PixelsToLogits

OPENVINO = "model.xml"
TORCHSCRIPT = "model.pt"


def write_openvino(graph: Any, path: Path) -> None:
    """Write a graph as `path`, ending in .xml, and its numbers beside it, ending in .bin.

    Raises:
        OSError: A file cannot be written.
    """
    # Made elsewhere first: a half-written file must not be taken for a graph.
    import openvino

    with tempfile.TemporaryDirectory(prefix=".export-", dir=path.parent) as folder:
        made = Path(folder, path.name)
        openvino.save_model(graph, made, compress_to_fp16=False)
        made.with_suffix(".bin").replace(path.with_suffix(".bin"))
        made.replace(path)


def onnx_to_openvino(directory: Path) -> Path:
    """Write `model.onnx` in OpenVINO's format beside it; returns the path of its `.xml`.

    Raises:
        OSError: A file cannot be written.
    """
    write_openvino(core().read_model(directory / GRAPH), directory / OPENVINO)
    return directory / OPENVINO


def write_torchscript(directory: Path) -> Path:
    """Write the network as a TorchScript archive that takes what `model.onnx` takes; returns its path.

    Raises:
        ExportError: torch cannot trace the network.
        ArtifactError: There is no model.
        OSError: The file cannot be written.
    """
    network, card = artifact.load(directory)
    size = card.preprocessing.size
    wrapped = PixelsToLogits(network.requires_grad_(False), card.preprocessing)
    path = directory / TORCHSCRIPT
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            traced = torch.jit.trace(wrapped, torch.zeros((2, size, size, 3), dtype=torch.uint8))  # type: ignore[no-untyped-call]
    except Exception as error:
        raise ExportError(f"torch cannot trace {card.architecture}: {first_line(error)}") from error
    write_atomically(path, lambda temporary: traced.save(str(temporary)))
    return path
