"""The supported networks, and how many blocks each has. Does not import torch."""

ARCHITECTURES = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")

# Keys are (bottleneck blocks?, blocks in each of the four stages), from table 1 of "Deep Residual Learning for Image
# Recognition".
SHAPES: dict[tuple[bool, tuple[int, ...]], str] = {
    (False, (2, 2, 2, 2)): "resnet18",
    (False, (3, 4, 6, 3)): "resnet34",
    (True, (3, 4, 6, 3)): "resnet50",
    (True, (3, 4, 23, 3)): "resnet101",
    (True, (3, 8, 36, 3)): "resnet152",
}
