"""The networks that are supported, and how many blocks each has. No torch is imported."""

ARCHITECTURES = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")

# (bottleneck blocks?, blocks in each of the four stages), after table 1 of "Deep Residual Learning for
# Image Recognition".
SHAPES: dict[tuple[bool, tuple[int, ...]], str] = {
    (False, (2, 2, 2, 2)): "resnet18",
    (False, (3, 4, 6, 3)): "resnet34",
    (True, (3, 4, 6, 3)): "resnet50",
    (True, (3, 4, 23, 3)): "resnet101",
    (True, (3, 8, 36, 3)): "resnet152",
}
