"""Embeds the pictures in files, one batch after another."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from numpy.lib.format import open_memmap

from container.cpus import available_cpus
from container.embed.network import Network
from container.picture import read_picture

_BATCH = 16


def embed_files(network: Network, paths: Sequence[Path], output: Path, advance: Callable[[int], None]) -> None:
    """Embed pictures, in batches, into a NumPy file: float16 (N, features).

    Args:
        network: From `load_network`.
        paths: The pictures, all of which can be read.
        output: The file to write; without pictures, there will be none.
        advance: Called with the number of pictures done so far.

    Raises:
        PictureError: A picture cannot be read.
    """
    rows: np.memmap[tuple[int, int], np.dtype[np.float16]] | None = None
    done = 0
    for batch in _batches(network, paths):
        embedded = network.embed(torch.from_numpy(batch)).numpy()
        if rows is None:
            rows = open_memmap(output, mode="w+", dtype=np.float16, shape=(len(paths), embedded.shape[1]))
        rows[done : done + len(batch)] = embedded.clip(-65504, 65504)
        done += len(batch)
        advance(done)


def _batches(network: Network, paths: Sequence[Path]) -> Iterator[npt.NDArray[np.uint8]]:
    """Read the pictures, one batch ahead of the network; few are in memory at a time."""
    preprocessing = network.preprocessing

    def read(path: Path) -> npt.NDArray[np.uint8]:
        return preprocessing.to_array(read_picture(path, shrink_to=preprocessing.shrink_to))

    with ThreadPoolExecutor(available_cpus()) as pool:
        waiting = [pool.submit(read, path) for path in paths[:_BATCH]]
        for start in range(0, len(paths), _BATCH):
            ahead = [pool.submit(read, path) for path in paths[start + _BATCH : start + 2 * _BATCH]]
            yield np.stack([each.result() for each in waiting])
            waiting = ahead
