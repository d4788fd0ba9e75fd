"""The network on a CPU, by OpenVINO."""

from collections.abc import Sequence
from functools import cache

import numpy as np
import openvino  # type: ignore[import-untyped]

from container.preprocessing import Preprocessing
from container.serve.engine.engine import Logits, Pixels
from container.serve.engine.graph import Tensors, build


@cache
def _core() -> openvino.Core:
    """One for the process, which outlives every network: its plugin is not unloaded under what still uses it."""
    return openvino.Core()


class OpenVino:
    """In the precision that is fastest on this CPU: bf16 where it multiplies in it (AVX512-BF16, AMX), else float32."""

    name = "openvino"
    device = "cpu"

    def __init__(self, architecture: str, tensors: Tensors, preprocessing: Preprocessing, *, threads: int) -> None:
        """
        Args:
            architecture: One of `ARCHITECTURES`.
            tensors: Its tensors, by torchvision's names.
            preprocessing: How pixels become its input.
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
                # A container's CPUs may be a share of all of them: the kernel knows better where there is room.
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
