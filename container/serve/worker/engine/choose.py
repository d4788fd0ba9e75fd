"""Chooses a model's engine: the fastest one whose outputs agree with torch's."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import safetensors
import safetensors.numpy

from container.contract.model_files import CARD, TENSORS
from container.contract.networks import is_resnet
from container.model_card import ModelCard, read_card
from container.serve.settings.logs import event
from container.serve.worker.engine.engine import TOLERANCE, Engine, error_of

if TYPE_CHECKING:
    import torch
    from torch import nn

    from container.serve.worker.engine.cuda_graphs import Graphs
    from container.serve.worker.engine.eager import Eager
    from container.serve.worker.engine.openvino_graph import Tensors

logger = logging.getLogger(__name__)


def on_cpu(model_dir: Path, *, plain: bool, threads: int) -> tuple[Engine, ModelCard]:
    """Load a model onto the CPU. torch is imported only where the model needs it, or `plain`.

    Args:
        model_dir: The model directory.
        plain: Use plain torch.
        threads: For OpenVINO; torch has its own setting.

    Raises:
        ArtifactError: A file or field is missing or wrong.
    """
    if not plain and _is_resnet(model_dir):
        from container.serve.worker.engine.openvino_engine import OpenVino
        from container.serve.worker.engine.openvino_graph import UnknownTensorsError

        card, tensors = _card_and_tensors(model_dir)
        try:
            engine = OpenVino(card.architecture, tensors, card.preprocessing, threads=threads)
        except UnknownTensorsError as error:
            # Loading with torch below gives a better error.
            logger.debug(event("engine-refused", engine=OpenVino.name, why=error))
        else:
            if _agrees(engine, card):
                return engine, card
    return eager(model_dir, "cpu")


def _is_resnet(model_dir: Path) -> bool:
    """Whether a model's graph can be built for OpenVINO; a model without a card is a ResNet, or none of ours."""
    return not (model_dir / CARD).is_file() or is_resnet(read_card(model_dir).architecture)


def on_gpu(model_dir: Path, device: "torch.device", *, plain: bool, batch_size: int) -> tuple[Engine, ModelCard]:
    """Load a model onto a GPU.

    Args:
        model_dir: The model directory.
        device: The GPU.
        plain: Use plain torch.
        batch_size: Most pictures in a forward pass.

    Raises:
        ArtifactError: As `on_cpu`.
    """
    if not plain:
        from container import artifact

        model, card = artifact.load(model_dir)
        card = card if card.reference else replace(card, reference=artifact.reference_of(model, card.preprocessing))
        if engine := _graphs(model, card, device, batch_size):
            return engine, card
        del model  # frees its memory
    return eager(model_dir, str(device))


def _graphs(model: "nn.Module", card: ModelCard, device: "torch.device", batch_size: int) -> "Graphs | None":
    """Capture CUDA graphs; None if that fails, or if their outputs disagree with torch's."""
    from container.serve.worker.engine.cuda_graphs import Graphs

    if not card.reference:
        # The model's outputs are NaN or infinite with any engine.
        return None
    try:
        engine = Graphs(model, card.preprocessing, device, batch_size=batch_size)
        return engine if _agrees(engine, card) else None
    except RuntimeError as error:
        # Plain torch is slower, but may work; on a broken GPU it fails too.
        logger.warning(event("engine-refused", engine=Graphs.name, why=str(error).partition("\n")[0]))
        return None


def eager(model_dir: Path, device: str) -> "tuple[Eager, ModelCard]":
    """Load a model in plain torch onto any device.

    Raises:
        ArtifactError: As `on_cpu`.
    """
    import torch

    from container import artifact
    from container.serve.worker.engine.eager import Eager

    model, card = artifact.load(model_dir)
    return Eager(model, card, torch.device(device)), card


def _card_and_tensors(model_dir: Path) -> "tuple[ModelCard, Tensors]":
    """Read a card with its reference, and the tensors; without importing torch if the model directory has both."""
    if (model_dir / CARD).is_file():
        card = read_card(model_dir)
        try:
            if card.reference:
                return card, safetensors.numpy.load_file(model_dir / TENSORS)
        except (OSError, safetensors.SafetensorError) as error:
            # Loading with torch below gives a better error.
            logger.debug(event("model-unreadable", why=error))
    from container import artifact

    model, card = artifact.load(model_dir)
    tensors = {name: value.numpy() for name, value in model.state_dict().items()}
    return replace(card, reference=artifact.reference_of(model, card.preprocessing)), tensors


def _agrees(engine: Engine, card: ModelCard) -> bool:
    """Whether an engine's outputs equal the card's reference, up to rounding."""
    if not card.reference:
        # The model's outputs are NaN or infinite with any engine.
        return False
    error, most = error_of(engine, card), TOLERANCE[engine.precision]
    if error > most:
        logger.warning(event("engine-refused", engine=engine.name, error=f"{error:.2g}", most=most))
    return error <= most
