"""Runs the network on a CPU with OpenVINO."""

from collections.abc import Sequence
from functools import cache

import numpy as np
import openvino  # type: ignore[import-untyped]

from container.preprocessing import Preprocessing
from container.serve.worker.engine.engine import Logits, Pixels
from container.serve.worker.engine.openvino_graph import Tensors, build


@cache
def _core() -> openvino.Core:
    """Return the process's only Core, which outlives every network: its plugin must not be unloaded while in use."""
    return openvino.Core()


class OpenVino:
    """An engine in this CPU's fastest precision: bf16 where it has AVX512-BF16 or AMX, else float32."""

    name = "openvino"
    device = "cpu"

    def __init__(self, architecture: str, tensors: Tensors, preprocessing: Preprocessing, *, threads: int) -> None:
        """
        Args:
            architecture: One of `RESNETS`.
            tensors: By torchvision's names.
            preprocessing: How pixels become the network's input.
            threads: To compute with.

        Raises:
            UnknownTensorsError: As `build`.
        """
        compiled = _core().compile_model(
            build(architecture, tensors, preprocessing),
            "CPU",
            {
                "PERFORMANCE_HINT": "LATENCY",
                "INFERENCE_NUM_THREADS": threads,
                # A container may have a share of all CPUs rather than certain ones; the kernel schedules better.
                "ENABLE_CPU_PINNING": False,
            },
        )
        self.threads = threads
        self.precision: str = compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
        self._request = compiled.create_infer_request()

    def logits(self, squares: Sequence[Pixels]) -> Logits:
        """See `Engine`."""
        [outputs] = self._request.infer([np.stack(squares)], share_inputs=True).values()
        found: Logits = outputs
        return found
