"""Quantises a graph to 8 bits with NNCF, and keeps it only if its answers stay right."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from container.contract.errors import ExportError
from container.export.agreement import Agreement, Squares, in_batches
from container.first_line import first_line
from container.graph.openvino_engine import OpenVino, core
from container.graph.probabilities import Floats

logger = logging.getLogger(__name__)

WANTED_PICTURES = 300
_FEWEST_PICTURES = 50
_MOST_LOST = 0.003
"""Share of the pictures that may be right no longer."""
_LEAST_EQUAL = 0.98
"""Share of the pictures that must keep their class."""
_RANKED_ON = 100
"""Pictures on which the layers are ranked if the graph as a whole does not hold."""


@dataclass(frozen=True, kw_only=True)
class Quantised:
    """A graph in 8 bits that holds."""

    graph: Any
    """`openvino.Model`."""
    agreement: Agreement
    accuracy: float
    """Share of the pictures that are classified correctly, from 0 to 1."""
    float_accuracy: float
    float_layers: tuple[str, ...] = field(default=())
    """Layers that stay in floating point, because without them it would not hold."""

    def to_json(self) -> dict[str, Any]:
        return self.agreement.to_json() | {
            "accuracy": self.accuracy,
            "float_accuracy": self.float_accuracy,
            "float_layers": list(self.float_layers),
        }


def check_pictures_suffice(targets: npt.NDArray[np.int64]) -> None:
    """Refuse too few pictures to quantise with.

    Args:
        targets: The pictures' class indices.

    Raises:
        ExportError: They are too few, or all of one class.
    """
    if len(targets) < _FEWEST_PICTURES:
        raise ExportError(
            f"INT8 needs at least {_FEWEST_PICTURES} validation pictures to choose its ranges and to prove itself; "
            f"there are {len(targets)}"
        )
    if len(set(targets.tolist())) < 2:
        raise ExportError("INT8 needs validation pictures of at least two classes; all are of one")


def quantise(
    path: Path, squares: Squares, targets: npt.NDArray[np.int64], wanted: Floats, stop: Callable[[], None]
) -> Quantised:
    """Quantise an exported graph, leaving layers in floating point until it holds.

    It holds if at most 0.3 points of accuracy are lost and 98 % of the pictures keep their class. If it does not at
    first, NNCF ranks the layers by what each costs, and restores one after the other.

    Args:
        path: `model.onnx`.
        squares: Validation pictures, about 300, of all classes.
        targets: Their class indices.
        wanted: Logits of these by torch, shape (N, classes).
        stop: Called now and then; may raise, to end it.

    Raises:
        ExportError: NNCF is not installed, or fails, or nothing that it makes holds.
    """
    if find_spec("nncf") is None:
        raise ExportError("nncf not installed")
    import nncf

    nncf.set_log_level(logging.ERROR)
    judge = _Judge(squares, targets, wanted, stop)
    calibration = nncf.Dataset([square[None] for square in squares])
    graph = core().read_model(path)
    options = {
        "preset": nncf.QuantizationPreset.MIXED,
        "subset_size": len(squares),
    }
    try:
        found = nncf.quantize(graph, calibration, **options)
        if judge.margin(found) < 0:
            logger.info("INT8 as a whole changes too many answers; looking for the layers that cause it")
            found = nncf.quantize_with_accuracy_control(
                core().read_model(path),
                calibration_dataset=calibration,
                validation_dataset=nncf.Dataset(list(range(len(squares)))),
                validation_fn=judge.validate,
                max_drop=1.0,
                advanced_accuracy_restorer_parameters=nncf.AdvancedAccuracyRestorerParameters(
                    ranking_subset_size=min(_RANKED_ON, len(squares))
                ),
                **options,
            )
    except Exception as error:
        stop()  # it may be the cause
        raise ExportError(f"NNCF cannot quantise the network: {first_line(error)}") from error
    if judge.margin(found) < 0:
        agreement, accuracy = judge.look(found)
        raise ExportError(
            f"INT8 would change the class of {1 - agreement.equal_classes:.1%} of {len(squares)} validation pictures "
            f"and the accuracy from {judge.float_accuracy:.1%} to {accuracy:.1%}; it is not kept"
        )
    agreement, accuracy = judge.look(found)
    return Quantised(
        graph=found,
        agreement=agreement,
        accuracy=accuracy,
        float_accuracy=judge.float_accuracy,
        float_layers=tuple(_float_layers(found)),
    )


class _Judge:
    """Judges graphs by their answers to the validation pictures."""

    def __init__(
        self, squares: Squares, targets: npt.NDArray[np.int64], wanted: Floats, stop: Callable[[], None]
    ) -> None:
        self._stop = stop
        self._squares = squares
        self._targets = targets
        self._wanted = wanted
        self.float_accuracy = float((wanted.argmax(1) == targets).mean())

    def look(self, graph: Any) -> tuple[Agreement, float]:
        """Return the agreement with torch, and the accuracy."""
        self._stop()
        engine = OpenVino(graph, precision="int8", threads=0)
        found = in_batches(engine.logits, self._squares)
        return Agreement.of(found, self._wanted), float((found.argmax(1) == self._targets).mean())

    def margin(self, graph: Any) -> float:
        """How well a graph holds: from 1, perfectly, over 0, just, to less, not."""
        agreement, accuracy = self.look(graph)
        equal = (agreement.equal_classes - _LEAST_EQUAL) / (1 - _LEAST_EQUAL)
        right = 1 - (self.float_accuracy - accuracy) / _MOST_LOST
        return min(equal, right, 1.0)

    def validate(self, compiled: Any, numbers: Sequence[int]) -> tuple[float, list[float]]:
        """Judge a compiled graph on some of the pictures, as NNCF asks: the margin, and each picture's score."""
        self._stop()
        chosen = list(numbers)
        request = compiled.create_infer_request()
        [output] = compiled.outputs

        def logits(squares: Sequence[Squares]) -> Floats:
            found: Floats = request.infer([np.stack(squares)])[output].copy()
            return found

        found = in_batches(logits, self._squares[chosen])
        wanted, targets = self._wanted[chosen], self._targets[chosen]
        equal = found.argmax(1) == wanted.argmax(1)
        lost = float((wanted.argmax(1) == targets).mean() - (found.argmax(1) == targets).mean())
        margin = min((float(equal.mean()) - _LEAST_EQUAL) / (1 - _LEAST_EQUAL), 1 - lost / _MOST_LOST, 1.0)
        return margin, equal.astype(float).tolist()


_QUANTISABLE = ("Convolution", "GroupConvolution", "MatMul")


def _float_layers(graph: Any) -> list[str]:
    """Name the layers with weights whose inputs are not quantised."""
    return [
        node.get_friendly_name()
        for node in graph.get_ordered_ops()
        if node.get_type_name() in _QUANTISABLE
        and all(source.get_node().get_type_name() != "FakeQuantize" for source in node.input_values()[:1])
    ]
