"""Computes the embeddings of pictures, for the host side, which does not import torch.

    python -m container.embed NETWORK WEIGHTS PATHS OUTPUT

WEIGHTS is a file, or empty for those that are found. PATHS is a JSON list of the pictures' paths. OUTPUT becomes a
NumPy file, float16 (N, features). On standard output, the first line says which weights are used, and each later one
how many pictures are done. An error is one line on standard error, and the exit code is 1.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from numpy.lib.format import open_memmap

from container.contract.errors import UserError
from container.cpus import available_cpus, threads_asked_for
from container.embed.network import Network, load_network
from container.picture import read_picture

_BATCH = 16


def main(arguments: Sequence[str]) -> int:
    """Embed all pictures, and return the exit code."""
    architecture, weights, listing, output = arguments
    try:
        torch.set_num_threads(threads_asked_for() or available_cpus())
        network = load_network(architecture, Path(weights) if weights else None)
        _say(f"{architecture}, {network.source}")
        paths = json.loads(Path(listing).read_text(encoding="utf-8"))
        _embed(network, [Path(path) for path in paths], Path(output))
    except UserError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _embed(network: Network, paths: Sequence[Path], output: Path) -> None:
    rows: np.memmap[tuple[int, int], np.dtype[np.float16]] | None = None
    done = 0
    for batch in _batches(network, paths):
        embedded = network.embed(torch.from_numpy(batch)).numpy()
        if rows is None:
            rows = open_memmap(output, mode="w+", dtype=np.float16, shape=(len(paths), embedded.shape[1]))
        rows[done : done + len(batch)] = embedded.clip(-65504, 65504)
        done += len(batch)
        _say(str(done))


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


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - read by the host side


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
