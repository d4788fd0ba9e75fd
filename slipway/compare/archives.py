"""Reads the archives that a training job in an image leaves: model.tar.gz and output.tar.gz."""

import json
import tarfile
import zlib
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import IO, Any

from slipway.chance import PREDICTIONS, read_predictions
from slipway.compare.result import CARD, METRICS, TENSORS, Result, parse_metrics, read_result, read_tensors
from slipway.errors import ComparisonError

Open = Callable[[str], AbstractContextManager[IO[bytes]]]
"""Function that opens an archive by its address."""

Reader = Callable[[IO[bytes], int], Any]
"""Function that reads a file, given its size."""


def read_archives(
    model: str, output: str, opened: Open, *, job: str, place: str, billable_s: float | None = None
) -> Result:
    """Read what a job left. The archive of the model is read until its card and the beginning of its tensors.

    Args:
        model: Address of model.tar.gz.
        output: Address of output.tar.gz.
        opened: Opens an archive.
        job: The job's folder, or its name on SageMaker.
        place: Instance type.
        billable_s: Seconds that SageMaker charges for.

    Raises:
        ComparisonError: An archive is damaged, or none of Slipway's.
    """
    files = _read(model, opened, {CARD: lambda file, _: json.load(file), TENSORS: read_tensors})
    files |= _read(
        output,
        opened,
        {METRICS: lambda file, _: parse_metrics(file.read().decode())},
        {PREDICTIONS: lambda file, _: read_predictions(file.read().decode())},
    )
    return read_result(
        job=job,
        place=place,
        card=files[CARD],
        metrics=files[METRICS],
        tensors=files[TENSORS],
        predictions=files.get(PREDICTIONS),
        billable_s=billable_s,
    )


def _read(
    archive: str, opened: Open, required: Mapping[str, Reader], optional: Mapping[str, Reader] = MappingProxyType({})
) -> dict[str, Any]:
    """Apply each reader to the file of its name in the archive."""
    readers = {**required, **optional}
    found: dict[str, Any] = {}
    try:
        with opened(archive) as stream, tarfile.open(fileobj=stream, mode="r|gz") as tar:
            for member in tar:
                name = PurePosixPath(member.name).name
                if name in readers and (file := tar.extractfile(member)):
                    found[name] = readers[name](file, member.size)
                if len(found) == len(readers):
                    break
    except (tarfile.TarError, EOFError, zlib.error, ValueError) as error:
        raise ComparisonError(
            f"{archive} cannot be read: {error}; was it cut off, or written by another program?"
        ) from error
    if missing := sorted(required.keys() - found.keys()):
        raise ComparisonError(f"there is no {' and no '.join(missing)} in {archive}; compare jobs of Slipway's images")
    return found
