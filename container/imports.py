"""Work without the garbage collector, of which imports of large packages are the commonest."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Import packages without garbage collections, and spare later ones what the packages consist of.

    While torch and torchvision are imported, the collector looks through their objects again and again, which takes a
    fifth of the time.
    """
    with collector_paused():
        try:
            yield
        finally:
            gc.freeze()


@contextmanager
def collector_paused() -> Iterator[None]:
    """Do something without garbage collections; what it leaves is collected afterwards, as ever."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
