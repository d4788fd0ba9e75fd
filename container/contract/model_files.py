"""Names of the files in a model directory."""

TENSORS = "model.safetensors"
CARD = "model.json"
SEED_TENSORS = "model.pth"
"""The seed project's file: a ResNet's state dict."""
