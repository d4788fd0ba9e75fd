"""A model's graph for OpenVINO: the exported one, or one converted from its tensors by torch."""

import logging
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from container.contract.errors import ArtifactError
from container.contract.model_files import CARD, GRAPH, INT8_GRAPH
from container.first_line import first_line
from container.graph.check_pictures import CheckPictures
from container.graph.current import why_not_usable
from container.graph.openvino_engine import core
from container.model_card import ModelCard, read_card
from container.serve.settings.logs import event
from container.serve.worker.loaded_torch import has_torch

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Graphs:
    """A model's graphs; input: uint8 (N, size, size, 3), output: logits, float32 (N, classes)."""

    card: ModelCard
    check: CheckPictures
    full: Any
    """`openvino.Model`."""
    int8: Any = None
    """The same, quantised, if there is one."""


def read_graphs(model_dir: Path) -> Graphs | None:
    """Read a model's graphs. torch is imported only where there are none; None if torch cannot be converted.

    Raises:
        ArtifactError: A file or field is missing or wrong, or torch is needed and not installed.
    """
    why = "it was saved without one"
    if (model_dir / CARD).is_file():
        card = read_card(model_dir)
        why = why_not_usable(model_dir, card)
        if not why:
            try:
                return _exported(model_dir, card)
            except (RuntimeError, ArtifactError) as error:
                why = first_line(error)
        if card.export:
            logger.warning(event("graph-refused", graph=GRAPH, why=why))
    if not has_torch():
        raise ArtifactError(
            f"{GRAPH} in {model_dir} cannot be used ({why}), and this server has no torch to make it from the tensors: "
            "make it where the model was trained, with slipway export, or use the image that has torch"
        )
    return _converted(model_dir)


def _exported(model_dir: Path, card: ModelCard) -> Graphs:
    check = CheckPictures.load(model_dir)
    graph = _fitting(core().read_model(model_dir / GRAPH), card)
    quantised = None
    if INT8_GRAPH in card.export and check.int8_logits is not None:
        try:
            quantised = _fitting(core().read_model(model_dir / INT8_GRAPH), card)
        except (RuntimeError, ArtifactError) as error:
            logger.warning(event("graph-refused", graph=INT8_GRAPH, why=first_line(error)))
    return Graphs(card=card, check=check, full=graph, int8=quantised)


def _fitting(graph: Any, card: ModelCard) -> Any:
    """Return a graph if its input and output are the model's."""
    size, classes = card.preprocessing.size, len(card.classes)
    wanted = [f"u8[?,{size},{size},3]", f"f32[?,{classes}]"]
    ports = [*graph.inputs, *graph.outputs]
    found = [f"{port.element_type.to_string()}{port.partial_shape.to_string()}" for port in ports]
    if found != wanted:
        raise ArtifactError(f"it maps {' '.join(found[:3])}, and the model {wanted[0]} to {wanted[1]}")
    return graph


def _converted(model_dir: Path) -> Graphs | None:
    import torch

    from container import artifact
    from container.networks.pixels_to_logits import PixelsToLogits
    from container.serve.worker.engine.torch_check import check_by_torch

    model, card = artifact.load(model_dir)
    check = check_by_torch(model, card.preprocessing)
    size = card.preprocessing.size
    try:
        import openvino

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch, about what OpenVINO's converter calls
            graph = openvino.convert_model(
                PixelsToLogits(model, card.preprocessing),
                example_input=torch.from_numpy(check.squares[:2]),
                input=[-1, size, size, 3],
            )
        return Graphs(card=card, check=check, full=_fitting(graph, card))
    except Exception as error:  # noqa: BLE001 - OpenVINO's and torch's many; torch itself serves the model
        logger.warning(event("engine-refused", engine="openvino", why=first_line(error)))
        return None
