"""Which engine a worker runs its model with: the fastest whose numbers are torch's own."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import safetensors
import safetensors.numpy

from container.model_card import CARD, TENSORS, ModelCard, read_card
from container.serve.engine.engine import TOLERANCE, Engine, error_of
from container.serve.logs import event

if TYPE_CHECKING:
    import torch

    from container.serve.engine.eager import Eager
    from container.serve.engine.graph import Tensors

logger = logging.getLogger(__name__)


def on_cpu(model_dir: Path, *, plain: bool, threads: int) -> tuple[Engine, ModelCard]:
    """Load a model onto the CPU. torch is imported only where the model needs it, or `plain`.

    Args:
        model_dir: The model directory.
        plain: Use plain torch.
        threads: To compute with; torch has its own setting.

    Raises:
        ArtifactError: Says which file or field is missing or wrong.
    """
    if not plain:
        from container.serve.engine.cpu import OpenVino
        from container.serve.engine.graph import UnknownTensorsError

        card, tensors = _card_and_tensors(model_dir)
        try:
            engine = OpenVino(card.architecture, tensors, card.preprocessing, threads=threads)
        except UnknownTensorsError as error:
            # Said better below.
            logger.debug(event("engine-refused", engine=OpenVino.name, why=error))
        else:
            if _agrees(engine, card):
                return engine, card
    return eager(model_dir, "cpu")


def on_gpu(model_dir: Path, device: "torch.device", *, plain: bool, batch_size: int) -> tuple[Engine, ModelCard]:
    """Load a model onto a GPU.

    Args:
        model_dir: The model directory.
        device: The GPU.
        plain: Use plain torch.
        batch_size: The most pictures of one forward pass.

    Raises:
        ArtifactError: As `on_cpu`.
    """
    if not plain:
        from container import artifact
        from container.serve.engine.graphs import Graphs

        model, card = artifact.load(model_dir)
        card = card if card.reference else replace(card, reference=artifact.reference_of(model, card.preprocessing))
        try:
            engine = Graphs(model, card.preprocessing, device, batch_size=batch_size)
            if _agrees(engine, card):
                return engine, card
        except RuntimeError as error:
            # Slower is better than not at all; a GPU that is of no use fails below too.
            logger.warning(event("engine-refused", engine=Graphs.name, why=str(error).partition("\n")[0]))
    return eager(model_dir, str(device))


def eager(model_dir: Path, device: str) -> "tuple[Eager, ModelCard]":
    """Load a model for plain torch onto any device.

    Raises:
        ArtifactError: As `on_cpu`.
    """
    import torch

    from container import artifact
    from container.serve.engine.eager import Eager

    model, card = artifact.load(model_dir)
    return Eager(model, card.preprocessing, torch.device(device)), card


def _card_and_tensors(model_dir: Path) -> "tuple[ModelCard, Tensors]":
    """A card with a reference, and the tensors: without torch where the model directory has both."""
    if (model_dir / CARD).is_file():
        card = read_card(model_dir)
        try:
            if card.reference:
                return card, safetensors.numpy.load_file(model_dir / TENSORS)
        except (OSError, safetensors.SafetensorError) as error:
            # Said better below.
            logger.debug(event("model-unreadable", why=error))
    from container import artifact

    model, card = artifact.load(model_dir)
    tensors = {name: value.numpy() for name, value in model.state_dict().items()}
    return replace(card, reference=artifact.reference_of(model, card.preprocessing)), tensors


def _agrees(engine: Engine, card: ModelCard) -> bool:
    """Whether its outputs are those of the card, up to rounding."""
    if not card.reference:
        # The model's outputs are not numbers, whoever computes them.
        return False
    error, most = error_of(engine, card), TOLERANCE[engine.precision]
    if error > most:
        logger.warning(event("engine-refused", engine=engine.name, error=f"{error:.2g}", most=most))
    return error <= most
