"""The workers of multi-model-server: decoding, the network, encoding, and a user's inference.py."""
