"""Checkpoints: everything needed to go on after an interruption, written atomically and verified when read.

Written only where /opt/ml/checkpoints exists: SageMaker makes it for jobs with a checkpoint configuration and
restores it when a spot instance comes back.
"""

import contextlib
import hashlib
import io
import json
import logging
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from container.atomic_file import remove_unfinished, write_atomically
from container.errors import TrainingError

logger = logging.getLogger(__name__)

FORMAT_VERSION = 1
KEEP = 2


def write_checkpoint(directory: Path, epoch: int, step: int, content: dict[str, Any]) -> None:
    """Write tensors first and their manifest last: a checkpoint with a manifest is complete.

    Args:
        directory: Where checkpoints are; the latest two are kept.
        epoch: Epoch, counted from 1, that the checkpoint lies in.
        step: Steps of that epoch already done.
        content: Tensors and plain values; read back without executing anything.

    Raises:
        OSError: It could not be written; earlier checkpoints are untouched.
    """
    buffer = io.BytesIO()
    torch.save(content, buffer)
    data = buffer.getbuffer()
    file = directory / f"checkpoint-{epoch:05d}-{step:07d}.pt"
    manifest = {
        "format_version": FORMAT_VERSION,
        "epoch": epoch,
        "step": step,
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    write_atomically(file, lambda path: path.write_bytes(data))
    own = file.with_suffix(".json")
    write_atomically(own, lambda path: path.write_text(json.dumps(manifest)))
    found = _manifests(directory)
    # A later one was damaged, else the job would have gone on from there.
    place = found.index(own)
    for old in found[:place] + found[place + KEEP :]:
        old.unlink(missing_ok=True)
        old.with_suffix(".pt").unlink(missing_ok=True)


def read_newest_checkpoint(directory: Path) -> dict[str, Any] | None:
    """The content of the newest whole checkpoint; damaged ones are skipped with a message. None if there is none."""
    for manifest in _manifests(directory):
        try:
            return _read(manifest)
        except _Damaged as problem:
            logger.warning("skipping the damaged checkpoint %s: %s", manifest.with_suffix(".pt").name, problem)
    return None


def has_checkpoint(directory: Path) -> bool:
    """Whether a job would go on from a checkpoint, if it is not damaged."""
    return bool(_manifests(directory))


def remove_unfinished_checkpoints(directory: Path) -> None:
    """Remove what a job that was killed at a checkpoint has left of it; nobody may be writing there."""
    remove_unfinished(directory)
    for data in directory.glob("checkpoint-*.pt"):
        if not data.with_suffix(".json").exists():
            with contextlib.suppress(OSError):
                data.unlink()


class _Damaged(Exception):  # noqa: N818 - never leaves this module
    pass


def _manifests(directory: Path) -> list[Path]:
    """Newest first."""
    return sorted(directory.glob("checkpoint-*.json"), reverse=True) if directory.is_dir() else []


def _read(manifest: Path) -> dict[str, Any]:
    try:
        facts = json.loads(manifest.read_text())
        version, digest = facts["format_version"], facts["sha256"]
        data = manifest.with_suffix(".pt").read_bytes()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _Damaged(f"{type(error).__name__}: {error}") from error
    if version != FORMAT_VERSION:
        raise TrainingError(
            f"{manifest} is of checkpoint format {version}; this version of Slipway reads {FORMAT_VERSION}. "
            "Use an empty checkpoint directory"
        )
    if hashlib.sha256(data).hexdigest() != digest:
        raise _Damaged("its content is not what was written")
    try:
        content: dict[str, Any] = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise _Damaged(str(error)) from error
    return content


def differences(found: dict[str, Any], wanted: dict[str, Any]) -> Iterator[str]:
    """How two plain dictionaries differ, a sentence each."""
    for name in sorted(found.keys() | wanted.keys()):
        if found.get(name) != wanted.get(name):
            yield f"{name} was {found.get(name)!r} and is {wanted.get(name)!r}"
