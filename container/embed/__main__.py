"""Computes the embeddings of pictures, for the host side, which does not import torch.

    python -m container.embed NETWORK WEIGHTS PATHS OUTPUT

WEIGHTS is a file, or empty for those that are found. PATHS is a JSON list of the pictures' paths. OUTPUT becomes a
NumPy file, float16 (N, features). On standard output, the first line says which weights are used, and each later one
how many pictures are done. An error is one line on standard error, and the exit code is 1.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from container.contract.errors import UserError
from container.cpus import available_cpus, threads_asked_for
from container.imports import uncollected

with uncollected():
    import torch

    from container.embed.files import embed_files
    from container.embed.network import load_network


def main(arguments: Sequence[str]) -> int:
    """Embed all pictures, and return the exit code."""
    architecture, weights, listing, output = arguments
    try:
        torch.set_num_threads(threads_asked_for() or available_cpus())
        network = load_network(architecture, Path(weights) if weights else None)
        _say(f"{architecture}, {network.source}")
        paths = json.loads(Path(listing).read_text(encoding="utf-8"))
        embed_files(network, [Path(path) for path in paths], Path(output), lambda done: _say(str(done)))
    except UserError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - read by the host side


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
