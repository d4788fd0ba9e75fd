"""`slipway data`: the sample data set, and a look at one's own."""

from pathlib import Path

import click

from slipway.cli.console import progress_bar, say
from slipway.errors import PageError

# What these pictures need: they are small, digits must not be mirrored, and no pretrained weights know them.
_TRAIN_OPTIONS = "--weights none --image-size 32 --augmentation light --opt-learning-rate 1e-3"


@click.group(epilog="\b\nExample:\n  slipway data sample digits\n  slipway data explore digits --output digits.html")
def data() -> None:
    """Write sample data, or look at your own."""


@data.command(short_help="Write the sample data.", epilog="\b\nExample:\n  slipway data sample digits")
@click.argument("directory", type=click.Path(path_type=Path))
def sample(directory: Path) -> None:
    """Write the sample data below DIRECTORY: scans of handwritten digits in train, validation and test folders.

    They are scikit-learn's 8 x 8 scans, enlarged. The train split is imbalanced on purpose: some digits are five
    times as frequent as others.
    """
    from slipway.sample import write_sample

    with progress_bar("writing pictures") as advance:
        written = write_sample(directory, advance)
    if not written:
        say(f"The sample data is in {directory} already.")
        return
    for split in ("train", "validation", "test"):
        counts = {folder.name: len(list(folder.glob("*.png"))) for folder in sorted((directory / split).iterdir())}
        say(
            f"{split}: {sum(counts.values())} pictures (" + ", ".join(f"{n} {name}" for name, n in counts.items()) + ")"
        )
    say(f"Next: slipway data explore {directory}")
    say(f"or:   slipway train {directory} {_TRAIN_OPTIONS}")


@data.command(
    short_help="Look at a data set: one HTML page.",
    epilog="\b\nExample:\n  slipway data explore digits --output digits.html",
)
@click.argument("directory", type=click.Path(path_type=Path))
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("explore.html"),
    show_default=True,
    help="The page to write.",
)
def explore(directory: Path, output: Path) -> None:
    """Look at the pictures below DIRECTORY and write what was found as one HTML page.

    DIRECTORY holds train, validation (or valid) and test folders, or the class folders themselves. The page shows
    class sizes, picture sizes and formats, unreadable files, duplicates within and across splits, and samples. It
    needs no network and no other file.
    """
    from slipway.explore import examine, render_page, scan

    with progress_bar("reading pictures") as advance:
        dataset = scan(directory, advance)
    findings = examine(dataset)
    for split in dataset.splits:
        counts = findings.counts[split]
        say(f"{split}: {sum(counts.values()):,} pictures, {sum(map(bool, counts.values())):,} classes")
    for remark in findings.remarks:
        say(f"{remark.level}: {remark.text}")
    page = render_page(dataset, findings)
    try:
        output.write_text(page, encoding="utf-8")
    except OSError as error:
        raise PageError(f"{output} cannot be written: {error.strerror}; name another file with --output") from error
    say(f"The page is {output} ({len(page.encode()) / 1e6:.1f} MB).")
