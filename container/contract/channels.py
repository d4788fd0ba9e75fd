"""The splits of a data set, and the names of the channels and folders that hold them."""

CHANNEL_NAMES: dict[str, tuple[str, ...]] = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val"),
    "test": ("test",),
}
"""The splits, and the channel and folder names accepted for each."""
SPLITS = tuple(CHANNEL_NAMES)
