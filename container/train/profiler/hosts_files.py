"""What each process recorded on its own host, brought to the first one's."""

import json
import zlib
from pathlib import Path

import torch

from container.train.distributed import World


def gather_files(world: World, directory: Path, node: str, first_node: str) -> list[torch.Tensor]:
    """Give the first process the other hosts' files. Every process of the job calls this.

    Args:
        world: The processes of the job.
        directory: The job's profile, at the same place on each host.
        node: Name of this host.
        first_node: Name of the first process's.

    Returns:
        In the first process: for `write_files`.
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
    """Write them beside the first process's own. Raises: OSError."""
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
        except OSError:  # it could not be written, which was said then
            continue
    return torch.frombuffer(bytearray(zlib.compress(json.dumps(texts).encode())), dtype=torch.uint8)
