"""Runs a graph on a CPU with OpenVINO."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from container.graph.lean_openvino import openvino
from container.graph.probabilities import Floats

Pixels = npt.NDArray[np.uint8]
"""Shape (size, size, 3)."""

_HINTS = {"f32": "f32", "bf16": "bf16"}
"""OpenVINO's names; without a hint it computes what is not quantised in the CPU's fastest precision."""


@cache
def core() -> openvino.Core:
    """Return the process's only Core, which outlives every network: its plugin must not be unloaded while in use."""
    return openvino.Core()


class OpenVino:
    """A graph compiled for this CPU."""

    name = "openvino"
    device = "cpu"

    def __init__(self, graph: Any, *, precision: str, threads: int) -> None:
        """
        Args:
            graph: `openvino.Model`; input: uint8 (N, size, size, 3), output: float32 (N, classes).
            precision: f32 or bf16; int8 for a graph that was quantised; auto for the CPU's fastest.
            threads: To compute with; 0 for all.
        """
        hint = _HINTS.get(precision)
        compiled = core().compile_model(
            graph,
            "CPU",
            {
                "PERFORMANCE_HINT": "LATENCY",
                "INFERENCE_NUM_THREADS": threads,
                # A container may have a share of all CPUs rather than certain ones; the kernel schedules better.
                "ENABLE_CPU_PINNING": False,
            }
            | ({"INFERENCE_PRECISION_HINT": hint} if hint else {}),
        )
        self.threads = threads
        self.precision = precision
        self._request = compiled.create_infer_request()

    def logits(self, squares: Sequence[Pixels]) -> Floats:
        """Run the network on one or more uint8 squares (size, size, 3); returns shape (N, classes)."""
        [outputs] = self._request.infer([np.stack(squares)], share_inputs=True).values()
        found: Floats = outputs
        return found
