"""Merges the parts that the instances of a processing job wrote, each about its share of the pictures."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from container.contract.errors import DataError
from container.explore.facts import Facts
from container.explore.part import SUMMARY, read_part
from slipway.explore.bucket import Bucket
from slipway.explore.embedding import Embedded
from slipway.explore.scan import Dataset, scan

_UNKNOWN = "no instance of the job read it: it was added after the job had begun"


class Parts:
    """All parts below a folder.

    Raises:
        DataError: There are none, one is missing or damaged, or they were made in different ways.
    """

    def __init__(self, folder: Path) -> None:
        found = {path.parent.name: read_part(path.parent) for path in sorted(folder.glob(f"*/{SUMMARY}"))}
        if not found:
            raise DataError("there are no parts of an exploration; name the address that the job wrote to with --parts")
        hosts = next(iter(found.values())).summary.hosts
        if sorted(found) != sorted(hosts):
            raise DataError(
                f"the job's instances were {', '.join(hosts)}, but there are parts of {', '.join(found)}; "
                "explore the data again"
            )
        self._parts = list(found.values())
        self._facts: dict[str, Facts | str] = {}
        for part in self._parts:
            self._facts |= part.facts
        filled = [part for part in self._parts if any(isinstance(facts, Facts) for facts in part.facts.values())]
        texts = {part.summary.text for part in filled or self._parts}
        if len(texts) > 1:
            raise DataError(f"the parts were made in different ways: {'; '.join(sorted(texts))}")
        self.text = texts.pop()
        """What the embeddings are by, or why there are none."""

    def dataset(self, bucket: Bucket, advance: Callable[[int, int], None] = lambda done, total: None) -> Dataset:
        """Put the parts together, in the order of the names in the bucket.

        Raises:
            DataError: The names or a manifest cannot be used.
        """

        def facts(path: Path) -> Facts | str:
            return self._facts.get(path.relative_to(bucket.folder).as_posix(), _UNKNOWN)

        with bucket.errors_named():
            found = scan(bucket.folder, advance, facts)
        return replace(
            found,
            address=str(bucket.place),
            absent=tuple(map(bucket.named, found.absent)),
            notes=tuple(map(bucket.named, found.notes)),
        )

    def embedded(self, dataset: Dataset) -> Embedded:
        """Return the embeddings of a data set's pictures, in their order."""
        arrays, rows = [], dict[str, int]()
        for part in self._parts:
            if part.embeddings is not None:
                readable = [path for path, facts in part.facts.items() if isinstance(facts, Facts)]
                rows |= {path: len(rows) + number for number, path in enumerate(readable)}
                arrays.append(part.embeddings)
        if not arrays:
            return Embedded(None, self.text)
        order = [rows[picture.path.relative_to(dataset.root).as_posix()] for picture in dataset.pictures]
        return Embedded(np.concatenate(arrays)[order], self.text)
