"""The transfer of each host's profile files to the first host."""

import json
import zlib
from pathlib import Path

import torch

from container.train.launch.distributed import World


def gather_files(world: World, directory: Path, node: str, first_node: str) -> list[torch.Tensor]:
    """Send the other hosts' files to the first process. Every process of the job calls this.

    Args:
        world: The processes of the job.
        directory: The job's profile, with the same path on each host.
        node: The name of this host.
        first_node: The name of the first process's host.

    Returns:
        In the first process, the files for `write_files`; else nothing.
    """
    gathered = []
    for source in range(1, world.size):
        packed = torch.empty(0, dtype=torch.uint8)
        if source == world.rank and node != first_node:
            packed = _pack(_own_files(directory, world, node), directory)
        packed = world.share(packed, source)
        if world.is_first and len(packed):
            gathered.append(packed)
    return gathered


def write_files(directory: Path, gathered: list[torch.Tensor]) -> None:
    """Write gathered files beside the first process's own.

    Raises:
        OSError: A file cannot be written.
    """
    for packed in gathered:
        for name, text in json.loads(zlib.decompress(packed.numpy().tobytes())).items():
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")


def _own_files(directory: Path, world: World, node: str) -> list[Path]:
    name = f"rank-{world.rank:05d}.jsonl"
    files = [directory / "steps" / name, directory / "phases" / name]
    if world.local_rank == 0:
        files += sorted((directory / "system").rglob(f"*.{node}.json"))
    return files


def _pack(files: list[Path], directory: Path) -> torch.Tensor:
    texts = {}
    for file in files:
        try:
            texts[str(file.relative_to(directory))] = file.read_text(encoding="utf-8")
        except OSError:  # it could not be written, and a warning said so
            continue
    return torch.frombuffer(bytearray(zlib.compress(json.dumps(texts).encode())), dtype=torch.uint8)
