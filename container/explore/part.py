"""A part of an exploration: the files that one instance of a processing job writes about its share of the pictures.

Below a folder with the instance's name: facts.jsonl has a line for each file, outlines.bin the outlines and
embeddings.npy the embeddings of those that can be read, in the same order; part.json is written last.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from container.atomic_file import write_atomically
from container.contract.errors import DataError
from container.explore.facts import Facts
from container.explore.outline import LENGTH

SUMMARY = "part.json"
EMBEDDINGS = "embeddings.npy"
_FACTS = "facts.jsonl"
_OUTLINES = "outlines.bin"


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What part.json says: that the part is whole, and how it was made."""

    hosts: list[str]
    """Names of all instances, each of which writes a part."""
    files: int
    text: str
    """The network and its weights; or why there are no embeddings: a sentence's end."""


@dataclass(frozen=True)
class Part:
    """A part that was read."""

    summary: Summary
    facts: dict[str, Facts | str]
    """Facts of each file, or why it cannot be read, by its path below the data folder, with slashes."""
    embeddings: npt.NDArray[Any] | None
    """float16 (readable files, features), in the order of the facts; None without any."""


def write_facts(folder: Path, found: Iterable[tuple[str, Facts | str]]) -> list[str]:
    """Write the facts of all files as they come, and return the paths of those that can be read."""
    readable: list[str] = []
    with (folder / _FACTS).open("w", encoding="utf-8") as lines, (folder / _OUTLINES).open("wb") as outlines:
        for path, facts in found:
            if isinstance(facts, str):
                line: dict[str, Any] = {"path": path, "reason": facts}
            else:
                line = {"path": path, **asdict(facts)}
                outlines.write(line.pop("outline"))
                readable.append(path)
            lines.write(json.dumps(line) + "\n")
    return readable


def write_summary(folder: Path, summary: Summary) -> None:
    """Mark a part as whole."""
    text = json.dumps(asdict(summary))
    write_atomically(folder / SUMMARY, lambda path: path.write_text(text, encoding="utf-8"))


def read_part(folder: Path) -> Part:
    """Read the part in a folder.

    Raises:
        DataError: A file is missing or damaged.
    """
    try:
        summary = Summary(**json.loads((folder / SUMMARY).read_text(encoding="utf-8")))
        outlines = (folder / _OUTLINES).read_bytes()
        facts: dict[str, Facts | str] = {}
        with (folder / _FACTS).open(encoding="utf-8") as lines:
            start = 0
            for line in map(json.loads, lines):
                path = line.pop("path")
                if "reason" in line:
                    facts[path] = line["reason"]
                else:
                    facts[path] = Facts(**line, outline=outlines[start : start + LENGTH])
                    start += LENGTH
        file = folder / EMBEDDINGS
        embeddings = np.load(file, mmap_mode="r", allow_pickle=False) if file.is_file() else None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise DataError(f"{folder} is not a part that an exploration on SageMaker wrote: {error}") from error
    if len(facts) != summary.files or start != len(outlines):
        raise DataError(f"{folder} is damaged: {len(facts):,} of {summary.files:,} files are in it")
    return Part(summary, facts, embeddings)
