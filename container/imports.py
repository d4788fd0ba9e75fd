"""Imports of large packages, without the garbage collector."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Import packages without garbage collections, and spare later ones what the packages consist of.

    While torch and torchvision are imported, the collector looks through their objects again and again, which takes a
    fifth of the time.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if enabled:
            gc.enable()
