"""A network as an exported graph: what runs it, and how it is checked. Does not import torch."""
