"""Everything that differs from one network to another: torchvision's ResNets, and timm's networks by their names."""
