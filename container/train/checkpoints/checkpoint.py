"""Checkpoints: everything needed to resume after an interruption, written atomically and verified when read.

They are written only if /opt/ml/checkpoints exists: SageMaker creates it for jobs with a checkpoint configuration, and
restores it when a spot job is restarted.
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
from container.contract.errors import TrainingError

logger = logging.getLogger(__name__)

FORMAT_VERSION = 1
KEEP = 2


def write_checkpoint(directory: Path, epoch: int, step: int, content: dict[str, Any]) -> None:
    """Write a checkpoint, its manifest last: a checkpoint with a manifest is complete.

    Args:
        directory: The checkpoint directory; the latest two are kept.
        epoch: The running epoch, counted from 1.
        step: Steps of that epoch already done.
        content: Tensors and plain values; reading them executes nothing.

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
    # A later one must be damaged, or the job would have resumed from it.
    place = found.index(own)
    for old in found[:place] + found[place + KEEP :]:
        old.unlink(missing_ok=True)
        old.with_suffix(".pt").unlink(missing_ok=True)


def read_newest_checkpoint(directory: Path) -> dict[str, Any] | None:
    """Read the newest intact checkpoint; damaged ones are skipped with a warning. None if there is none."""
    for manifest in _manifests(directory):
        try:
            return _read(manifest)
        except _Damaged as problem:
            logger.warning("skipping the damaged checkpoint %s: %s", manifest.with_suffix(".pt").name, problem)
    return None


def has_checkpoint(directory: Path) -> bool:
    """Whether there is a checkpoint to resume from, damaged or not."""
    return bool(_manifests(directory))


def remove_unfinished_checkpoints(directory: Path) -> None:
    """Remove what a job killed while writing a checkpoint has left; nothing may be writing there."""
    remove_unfinished(directory)
    for data in directory.glob("checkpoint-*.pt"):
        if not data.with_suffix(".json").exists():
            with contextlib.suppress(OSError):
                data.unlink()


class _Damaged(Exception):  # noqa: N818 - never leaves this module
    pass


def _manifests(directory: Path) -> list[Path]:
    """List the manifests, newest first."""
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
            f"{manifest} has checkpoint format {version}; this version of Slipway reads {FORMAT_VERSION}. "
            "Use an empty checkpoint directory"
        )
    if hashlib.sha256(data).hexdigest() != digest:
        raise _Damaged("its checksum does not match its content")
    try:
        content: dict[str, Any] = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise _Damaged(str(error)) from error
    return content


def differences(found: dict[str, Any], wanted: dict[str, Any]) -> Iterator[str]:
    """Yield a sentence for each key in which two plain dictionaries differ."""
    for name in sorted(found.keys() | wanted.keys()):
        if found.get(name) != wanted.get(name):
            yield f"{name} was {found.get(name)!r} and is {wanted.get(name)!r}"
