"""Exports the model in a model directory: the graphs, the check pictures, and what the model's card says of them."""

import timeit
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from container import artifact
from container.contract.errors import ExportError
from container.contract.model_files import GRAPH, INT8_GRAPH, INT8_NUMBERS
from container.export.agreement import Agreement, Squares, in_batches
from container.export.formats import write_openvino
from container.export.int8 import check_pictures_suffice, quantise
from container.export.onnx_file import OPSET, write_onnx
from container.export.pictures import Pictures
from container.graph.check_pictures import MOST, CheckPictures, drawn_squares
from container.graph.current import tensors_id
from container.graph.openvino_engine import OpenVino, core
from container.graph.probabilities import Floats
from container.model_card import ModelCard, save_card
from container.preprocessing import Preprocessing

Told = Callable[[str], None]

_COMPARED = 64
"""Pictures on which the graph is compared with torch."""
_REPEATS = 5
_LARGEST_DIFFERENCE = 1e-2
"""A difference of two probabilities that is still rounding in float32."""


def export(
    directory: Path, pictures: Pictures | None, *, int8: bool, told: Told, stop: Callable[[], None] = lambda: None
) -> ModelCard:
    """Export a model, and write `model.onnx`, `check.safetensors`, and with `int8` the quantised graph.

    A bare `model.pth` becomes a model directory of today's form.

    Args:
        directory: The model directory.
        pictures: Best of the validation split; None: drawn ones take their place.
        int8: Also quantise.
        told: Called with what was done and found, a sentence each.
        stop: Called now and then; may raise, to end it.

    Returns:
        The model's card as it now stands in the directory.

    Raises:
        ExportError: The network cannot be exported, or its graph does not compute what torch does. The card says so
            too, and the model can still be served with torch.
        ArtifactError: There is no model.
        OSError: A file cannot be written.
    """
    network, card = artifact.load(directory)
    if not tensors_id(directory):
        artifact.save(directory, network.state_dict(), card)
    network.requires_grad_(False)
    facts: dict[str, object] = {"tensors": tensors_id(directory)}
    real = pictures is not None and len(pictures.squares) > 0
    compared = pictures.squares[:_COMPARED] if pictures and real else drawn_squares(card.preprocessing.size)
    stop()
    try:
        wanted = in_batches(_by_torch(network, card.preprocessing), compared)
        write_onnx(directory / GRAPH, network, card)
        agreement = _compare(directory / GRAPH, compared, wanted)
    except ExportError as error:
        (directory / GRAPH).unlink(missing_ok=True)
        save_card(directory, replace(card, export=facts | {"failed": str(error)}))
        raise
    facts[GRAPH] = {"opset": OPSET, "real_pictures": real, **agreement.to_json()}
    told(
        f"exported {GRAPH}: {agreement.equal_classes:.1%} of {agreement.pictures} pictures have torch's class, "
        f"probabilities differ by at most {agreement.largest_difference:.2g}"
    )
    check = CheckPictures(squares=compared[:MOST], logits=wanted[:MOST])
    for name in (INT8_GRAPH, INT8_NUMBERS):
        (directory / name).unlink(missing_ok=True)
    if int8:
        try:
            found, check = _quantise(directory, network, card, pictures, check, stop)
            facts[INT8_GRAPH] = found
            told(_int8_sentence(found))
        except ExportError as error:
            facts["int8_failed"] = str(error)
            told(f"no INT8 graph: {error}")
    check.save(directory)
    card = replace(card, export=facts)
    save_card(directory, card)
    return card


def _by_torch(network: nn.Module, preprocessing: Preprocessing) -> Callable[..., Floats]:
    def logits(squares: list[Squares]) -> Floats:
        with torch.inference_mode():
            found: Floats = network(preprocessing.normalize(torch.from_numpy(np.stack(squares)))).numpy()
        return found

    return logits


def _compare(path: Path, squares: Squares, wanted: Floats) -> Agreement:
    engine = OpenVino(core().read_model(path), precision="f32", threads=0)
    agreement = Agreement.of(in_batches(engine.logits, squares), wanted)
    if not agreement.largest_difference <= _LARGEST_DIFFERENCE:  # or NaN
        raise ExportError(
            f"the exported graph's probabilities differ from torch's by {agreement.largest_difference:.2g}; it is not "
            "kept"
        )
    return agreement


def _quantise(
    directory: Path,
    network: nn.Module,
    card: ModelCard,
    pictures: Pictures | None,
    check: CheckPictures,
    stop: Callable[[], None],
) -> tuple[dict[str, object], CheckPictures]:
    """Quantise, write the graph's two files, and add its outputs to the check pictures."""
    if pictures is None:
        raise ExportError("INT8 needs validation pictures")
    check_pictures_suffice(pictures.targets)
    wanted = in_batches(_by_torch(network, card.preprocessing), pictures.squares)
    found = quantise(directory / GRAPH, pictures.squares, pictures.targets, wanted, stop)
    logits = OpenVino(found.graph, precision="int8", threads=0).logits(list(check.squares))
    write_openvino(found.graph, directory / INT8_GRAPH)
    full = core().read_model(directory / GRAPH)
    times = {"int8_ms": _milliseconds(found.graph, "int8", check), "float_ms": _milliseconds(full, "auto", check)}
    return found.to_json() | times, replace(check, int8_logits=logits.copy())


def _milliseconds(graph: object, precision: str, check: CheckPictures) -> float:
    """Time one picture on one core of this machine."""
    engine = OpenVino(graph, precision=precision, threads=1)
    square = [check.squares[0]]
    engine.logits(square)
    return 1000 * min(timeit.repeat(lambda: engine.logits(square), number=1, repeat=_REPEATS))


def _int8_sentence(facts: dict[str, object]) -> str:
    layers = facts["float_layers"]
    assert isinstance(layers, list)
    kept = f"; {len(layers)} layers stay in floating point" if layers else ""
    return (
        f"exported {INT8_GRAPH}: accuracy {facts['accuracy']:.2%} on {facts['pictures']} pictures, "
        f"{facts['float_accuracy']:.2%} in floating point; {facts['equal_classes']:.1%} keep their class{kept}; "
        f"{facts['int8_ms']:.1f} ms a picture on one core, {facts['float_ms']:.1f} in floating point"
    )
