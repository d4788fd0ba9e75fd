"""Runs a comparison on this machine: one training job after another, each in its own folder."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from container.contract.hyperparameters import TrainConfig
from slipway.compare.comparison import Run, compare
from slipway.compare.result import Result, read_job
from slipway.compare.variants import Variant
from slipway.errors import ComparisonError, JobError, JobFailedError, StoppedError
from slipway.processes.job import JobDirectory, open_job
from slipway.processes.training import run_job


def run_variants(
    variants: Sequence[Variant],
    channels: Mapping[str, Path],
    directory: Path,
    *,
    say: Callable[[str], None],
    verbose: bool = False,
) -> Run:
    """Train all variants that are not trained yet; a failed one does not stop the others.

    Args:
        variants: The jobs to train.
        channels: Folders by channel name.
        directory: Holds a job directory for each variant; an earlier comparison's is continued.
        say: Called with progress messages.
        verbose: Show the jobs' full output.

    Raises:
        JobError: A job's folder holds another data set's job, or cannot be written.
        JobFailedError: Every job failed.
    """
    failures: dict[str, str] = {}
    results: list[Result] = []
    for number, variant in enumerate(variants, start=1):
        place, label = directory / variant.slug, f"[{number}/{len(variants)}] {variant.name}"
        # Also for a finished job: it checks that the data is the same.
        job = open_job(place, channels, variant.hyperparameters)
        if earlier := _ended(job):
            say(f"{label}: trained already")
            results.append(replace(earlier, name=variant.name))
            continue
        say(f"{label}: {'resuming' if job.has_checkpoints else 'training'} in {place}")
        try:
            outcome = run_job(job, channels, verbose=verbose)
        except StoppedError as error:
            return Run(compare(results, _varied(variants), failures), error.number)
        except JobError as error:
            failures[variant.name] = str(error)
            say(f"{label} failed: {error}")
            continue
        if outcome.stopped_by is not None:
            return Run(compare(results, _varied(variants), failures), outcome.stopped_by)
        results.append(replace(read_job(place), name=variant.name))
    if not results:
        name, reason = next(iter(failures.items()))
        raise JobFailedError(f"every job of the comparison in {directory} failed; the first, {name}: {reason}")
    return Run(compare(results, _varied(variants), failures))


def _ended(job: JobDirectory) -> Result | None:
    """Return the result of a job that was finished with exactly the settings that it would have now."""
    try:
        result = read_job(job.path)
    except ComparisonError:
        return None
    wanted = TrainConfig.from_strings(job.hyperparameters()).to_strings()
    return result if result.test_accuracy is not None and result.settings == wanted else None


def _varied(variants: Sequence[Variant]) -> tuple[str, ...]:
    return tuple(variants[0].varied)
