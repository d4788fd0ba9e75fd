"""Limits on a picture's size. Does not import a decoder."""

MAX_PIXELS = 100_000_000
"""Width times height; as RGB, 100 megapixels are 300 MB."""

MAX_SIDE = 65_535
"""Pixels per side, a JPEG's maximum. Decoders cannot hold a row of a hundred million, and resizing takes memory for
each pixel of a side."""
