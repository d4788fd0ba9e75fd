"""Embeds the pictures of a data set by a pretrained network, in a process that imports torch."""

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from container.contract.networks import EMBEDDING
from slipway.errors import JobError
from slipway.processes.process import child_process

_PROGRAM = "container.embed"
_NEEDED = ("torch", "torchvision", "timm", "safetensors")


@dataclass(frozen=True)
class Embedded:
    """The result of embedding."""

    vectors: npt.NDArray[Any] | None
    """float16 (N, features); None without any."""
    text: str
    """The network and its weights; or why there are no embeddings: a sentence's end."""


def embed(
    paths: Sequence[Path],
    *,
    network: str = EMBEDDING,
    weights: Path | None = None,
    advance: Callable[[int, int], None] = lambda done, total: None,
) -> Embedded:
    """Embed pictures.

    Args:
        paths: The pictures.
        network: The hyperparameter model-type.
        weights: A file of its weights; None: those that training would find, or the package's.
        advance: Called with the number of pictures done so far, and the total.

    Raises:
        JobError: There are none, although a file of weights or another network was asked for.
        KeyboardInterrupt: This process was asked to end.
    """
    embedded = _embed(paths, network, weights, advance)
    if embedded.vectors is None and (weights is not None or network != EMBEDDING):
        raise JobError(f"the pictures cannot be embedded: {embedded.text}")
    return embedded


def _embed(paths: Sequence[Path], network: str, weights: Path | None, advance: Callable[[int, int], None]) -> Embedded:
    if missing := [name for name in _NEEDED if importlib.util.find_spec(name) is None]:
        return Embedded(None, f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed")
    if not paths:
        return Embedded(None, "there are no pictures")
    with tempfile.TemporaryDirectory(prefix="slipway-explore-", ignore_cleanup_errors=True) as folder:
        job, result = Path(folder, "paths.json"), Path(folder, "embeddings.npy")
        job.write_text(json.dumps([str(path.absolute()) for path in paths]), encoding="utf-8")
        command = [sys.executable, "-m", _PROGRAM, network, str(weights or ""), str(job), str(result)]
        source, errors = "", Path(folder, "errors").open("w+", encoding="utf-8", errors="replace")  # noqa: SIM115
        with (
            errors,
            child_process(command, dict(os.environ), stdout=subprocess.PIPE, stderr=errors) as child,
        ):
            for line in child.stdout:
                if line.strip().isdecimal():
                    advance(int(line), len(paths))
                else:
                    source = line.strip()
            code = child.wait()
            if child.received:
                raise KeyboardInterrupt
            if code:
                errors.seek(0)
                lines = errors.read().strip().splitlines() or ["it was ended"]
                return Embedded(None, lines[-1])
        return Embedded(np.load(result, allow_pickle=False), source)
