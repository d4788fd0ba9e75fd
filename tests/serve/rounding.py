"""How far the probabilities of the same network may be apart, by who computes them."""

from container.graph.cpu_features import has_bf16_products

IN_BF16 = has_bf16_products()
"""This CPU multiplies in it, and so OpenVINO does."""

ROUNDING = 0.03 if IN_BF16 else 1e-5
"""Of probabilities by OpenVINO on this CPU, beside torch's in float32."""
