"""Builds a ResNet as an OpenVINO graph from its tensors, without torch or an export step."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from openvino import Model, Node  # type: ignore[import-untyped]
from openvino import opset13 as ops

from container.networks.resnets import SHAPES
from container.preprocessing import Preprocessing

Tensors = Mapping[str, npt.NDArray[np.float32]]

# torch.nn.BatchNorm2d's default.
_EPSILON = 1e-5


class UnknownTensorsError(Exception):
    """The tensors are not exactly those of the network."""


def build(architecture: str, tensors: Tensors, preprocessing: Preprocessing) -> Model:
    """Build the graph from pixels to logits.

    Args:
        architecture: One of `RESNETS`.
        tensors: By torchvision's names.
        preprocessing: Side of the input, mean and standard deviation.

    Returns:
        Input: uint8 (N, size, size, 3). Output: float32 (N, classes).

    Raises:
        UnknownTensorsError: A tensor is missing, unknown, or has a shape that does not fit.
    """
    bottleneck, blocks = next(shape for shape, name in SHAPES.items() if name == architecture)
    network = _Network(tensors)
    size = preprocessing.size
    pixels = ops.parameter([-1, size, size, 3], np.uint8, name="pixels")
    mean, deviation = (255 * np.array(values, np.float32) for values in (preprocessing.mean, preprocessing.std))
    values = ops.divide(ops.subtract(ops.convert(pixels, np.float32), mean), deviation)
    values = ops.transpose(values, np.array([0, 3, 1, 2], np.int64))
    try:
        values = ops.relu(network.convolution(values, "conv1", "bn1", stride=2, padding=3))
        values = ops.max_pool(values, [2, 2], [1, 1], [1, 1], [1, 1], [3, 3]).output(0)
        for stage, count in enumerate(blocks, 1):
            for block in range(count):
                stride = 2 if stage > 1 and block == 0 else 1
                add = network.bottleneck if bottleneck else network.basic_block
                values = add(values, f"layer{stage}.{block}", stride)
        values = ops.reduce_mean(values, np.array([2, 3], np.int64), keep_dims=False)
        outputs = network.linear(values, "fc")
    except (KeyError, RuntimeError, ValueError) as error:
        raise UnknownTensorsError(f"{type(error).__name__}: {error}") from error
    if unused := network.unused():
        raise UnknownTensorsError(f"unknown tensors, the first is {unused[0]}")
    return Model([outputs], [pixels], architecture)


class _Network:
    """Makes layers from their tensors, by name."""

    def __init__(self, tensors: Tensors) -> None:
        self._tensors = tensors
        self._used: set[str] = set()

    def unused(self) -> list[str]:
        return [name for name in self._tensors if name not in self._used and not name.endswith("num_batches_tracked")]

    def convolution(self, values: Node, name: str, norm: str, *, stride: int = 1, padding: int = 0) -> Node:
        """Make a convolution with its batch normalisation folded in (in evaluation, a scale and a shift)."""
        weight = self._take(f"{name}.weight")
        scale = self._take(f"{norm}.weight") / np.sqrt(self._take(f"{norm}.running_var") + np.float32(_EPSILON))
        shift = self._take(f"{norm}.bias") - self._take(f"{norm}.running_mean") * scale
        weight = ops.constant(weight * scale[:, None, None, None], shared_memory=True)
        both, pads = [stride, stride], [padding, padding]
        values = ops.convolution(values, weight, both, pads, pads, [1, 1])
        return ops.add(values, shift[None, :, None, None])

    def basic_block(self, values: Node, name: str, stride: int) -> Node:
        inner = ops.relu(self.convolution(values, f"{name}.conv1", f"{name}.bn1", stride=stride, padding=1))
        inner = self.convolution(inner, f"{name}.conv2", f"{name}.bn2", padding=1)
        return ops.relu(ops.add(inner, self._shortcut(values, name, stride)))

    def bottleneck(self, values: Node, name: str, stride: int) -> Node:
        inner = ops.relu(self.convolution(values, f"{name}.conv1", f"{name}.bn1"))
        inner = ops.relu(self.convolution(inner, f"{name}.conv2", f"{name}.bn2", stride=stride, padding=1))
        inner = self.convolution(inner, f"{name}.conv3", f"{name}.bn3")
        return ops.relu(ops.add(inner, self._shortcut(values, name, stride)))

    def linear(self, values: Node, name: str) -> Node:
        product = ops.matmul(values, self._take(f"{name}.weight"), False, True)
        return ops.add(product, self._take(f"{name}.bias")[None])

    def _shortcut(self, values: Node, name: str, stride: int) -> Node:
        if f"{name}.downsample.0.weight" not in self._tensors:
            return values
        return self.convolution(values, f"{name}.downsample.0", f"{name}.downsample.1", stride=stride)

    def _take(self, name: str) -> npt.NDArray[np.float32]:
        self._used.add(name)
        return self._tensors[name]
