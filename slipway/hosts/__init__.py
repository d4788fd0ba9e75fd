"""The GPU hosts of SageMaker: their NVIDIA drivers, and which image runs on which."""
