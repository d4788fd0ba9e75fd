"""Embeddings of pictures by a pretrained network, for `slipway data explore`; run as a process by the host side."""
