"""Writes `model.onnx`: one file with everything needed to use the network without Slipway."""

import contextlib
import io
import json
import logging
import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import nn

from container.atomic_file import write_atomically
from container.contract.errors import ExportError
from container.first_line import first_line
from container.imports import collector_paused
from container.model_card import ModelCard
from container.networks.pixels_to_logits import PixelsToLogits

OPSET = 20
"""ONNX 1.15 has it; OpenVINO, ONNX Runtime and TensorRT read it."""


def write_onnx(path: Path, network: nn.Module, card: ModelCard) -> None:
    """Export a network with its normalisation; its metadata holds what `model.json` does to use it.

    The input is `pixels`, uint8 (N, size, size, 3); the output `logits`, float32 (N, classes), before the softmax. N
    is free.

    Args:
        path: The file to write.
        network: In evaluation mode, on the CPU.
        card: The model's.

    Raises:
        ExportError: The network cannot be exported, or a package for it is missing.
        OSError: The file cannot be written.
    """
    if missing := [name for name in ("onnx", "onnxscript") if find_spec(name) is None]:
        raise ExportError(f"{' and '.join(missing)} not installed")
    size = card.preprocessing.size
    example = torch.zeros((2, size, size, 3), dtype=torch.uint8)
    try:
        # Python 3.11 fails to parse source, as this does a lot, if a collection meanwhile runs a finalizer that parses
        # too, as one that prints a traceback does: github.com/python/cpython/issues/106905.
        with _quiet(), collector_paused():
            program = torch.onnx.export(
                PixelsToLogits(network, card.preprocessing),
                (example,),
                dynamo=True,
                opset_version=OPSET,
                input_names=["pixels"],
                output_names=["logits"],
                dynamic_shapes={"pixels": {0: torch.export.Dim("batch")}},
                external_data=False,
                verbose=False,
            )
    except Exception as error:
        raise ExportError(f"torch cannot export {card.architecture}: {first_line(error)}") from error
    assert program is not None
    program.model.metadata_props.update(_metadata(card))
    program.model.doc_string = None
    write_atomically(path, lambda temporary: program.save(temporary, external_data=False))


def _metadata(card: ModelCard) -> dict[str, str]:
    return {
        "architecture": card.architecture,
        "classes": json.dumps(card.classes, ensure_ascii=False),
        "preprocessing": json.dumps(card.preprocessing.to_json()),
        "output": "logits before the softmax, in the order of classes",
    }


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter from writing what it does and what torch will deprecate into the job's log."""
    exporters = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")]
    levels = [exporter.level for exporter in exporters]
    for exporter in exporters:
        exporter.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for exporter, level in zip(exporters, levels, strict=True):
            exporter.setLevel(level)
