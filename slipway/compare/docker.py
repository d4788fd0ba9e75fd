"""Runs a comparison in Docker on this machine: one training job after another, each with its outputs in a folder."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import IO, Protocol

from slipway.compare.archives import read_archives
from slipway.compare.comparison import Run, compare
from slipway.compare.result import Result
from slipway.compare.variants import Variant
from slipway.errors import ComparisonError, RemoteJobError

_SIGINT = 2


class Trained(Protocol):
    """What a job left: `slipway.local.Trained`."""

    @property
    def model(self) -> Path | None: ...
    @property
    def output(self) -> Path: ...
    @property
    def stopped(self) -> bool: ...


def run_in_docker(
    variants: Sequence[Variant],
    train: Callable[[Variant, Path], Trained],
    directory: Path,
    *,
    place: str,
    say: Callable[[str], None],
) -> Run:
    """Train all variants; a failed one does not stop the others.

    Args:
        variants: The jobs to train.
        train: Runs a variant's job to its end; its outputs go to the folder.
        directory: Holds a folder for each variant.
        place: Instance type, for the table.
        say: Called with progress messages.

    Raises:
        UserError: Docker does not answer, or there is no such image.
        RemoteJobError: Every job failed.
    """
    results: list[Result] = []
    failures: dict[str, str] = {}
    stopped_by: int | None = None
    for number, variant in enumerate(variants, start=1):
        label, folder = f"[{number}/{len(variants)}] {variant.name}", directory / variant.slug
        say(f"{label}: training in Docker, into {folder}")
        try:
            trained = train(variant, folder)
            if trained.stopped:
                stopped_by = _SIGINT
                break
            if trained.model is None:
                raise ComparisonError("it left no model")
            found = read_archives(str(trained.model), str(trained.output), _opened, job=str(folder), place=place)
            results.append(replace(found, name=variant.name))
        except (RemoteJobError, ComparisonError) as error:
            failures[variant.name] = str(error)
            say(f"{label} failed: {error}")
    if not results and stopped_by is None:
        name, reason = next(iter(failures.items()))
        raise RemoteJobError(f"every job of the comparison in {directory} failed; the first, {name}: {reason}")
    return Run(compare(results, tuple(variants[0].varied), failures), stopped_by)


def _opened(path: str) -> AbstractContextManager[IO[bytes]]:
    return Path(path).open("rb")
