"""How far the probabilities of the same network may be apart, by who computes them."""

from container.serve.worker.engine.openvino_engine import _core

IN_BF16 = "BF16" in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
"""This CPU multiplies in it, and so OpenVINO does."""

ROUNDING = 0.03 if IN_BF16 else 1e-5
"""Of probabilities by OpenVINO on this CPU, beside torch's in float32."""
