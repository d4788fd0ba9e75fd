"""The networks that docs/training.md says are tested in full, and the side of their pictures in tests."""

NETWORKS = {
    "resnet50": 32,
    "convnext_tiny": 32,
    "convnextv2_nano": 32,
    "efficientnet_b0": 32,
    "tf_efficientnet_lite0": 32,
    "mobilenetv4_conv_medium": 32,
    "vit_small_patch16_224": 48,
    "vit_small_patch14_dinov2": 42,
    "swin_tiny_patch4_window7_224": 32,
    "regnety_008": 32,
}
