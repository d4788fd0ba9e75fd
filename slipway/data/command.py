"""`slipway data`: writes the sample data set, explores a data set, cleans one, uploads one to S3."""

import shlex
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from container.folder import describe_leftovers, printable
from slipway.data.explore import explore
from slipway.datasets.folder import data_channels
from slipway.options.aws import profile_option, region_option
from slipway.options.exit_codes import ExitCode
from slipway.options.result import Result, json_option, result
from slipway.settings.slipway_toml import Settings
from slipway.terminal.console import complain, progress_bar, say, transfer_bar

if TYPE_CHECKING:
    from slipway.upload import Uploaded

# The sample's pictures are small, digits must not be mirrored, and pretrained weights do not help.
_TRAIN_OPTIONS = "--weights none --image-size 32 --augmentation light --opt-learning-rate 1e-3"


@click.group(epilog="\b\nExample:\n  slipway data sample digits\n  slipway data explore digits --output digits.html")
def data() -> None:
    """Write sample data, explore and clean your own, or upload it to S3."""


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
        say(f"The sample data is already in {directory}.")
        return
    for split in ("train", "validation", "test"):
        counts = {folder.name: len(list(folder.glob("*.png"))) for folder in sorted((directory / split).iterdir())}
        say(
            f"{split}: {sum(counts.values())} pictures (" + ", ".join(f"{n} {name}" for name, n in counts.items()) + ")"
        )
    say(f"Next: slipway data explore {directory}")
    say(f"or:   slipway train {directory} {_TRAIN_OPTIONS}")


data.add_command(explore)


@data.command(
    short_help="Copy a data set without what is wrong in it.",
    epilog="\b\nExample:\n  slipway data explore dogs --write suspects.csv\n"
    "  slipway data clean dogs --from suspects.csv --output dogs-clean",
)
@click.argument("directory", type=click.Path(path_type=Path))
@click.option(
    "--from",
    "listing",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    metavar="FILE",
    help="The list that slipway data explore --write wrote; the column action says what is done.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder to write, which must be new or empty.  [default: DIRECTORY-clean]",
)
def clean(directory: Path, listing: Path, output: Path | None) -> None:
    """Copy the pictures below DIRECTORY as the list of suspects says: some are left out, others get another class.

    DIRECTORY is not changed. A split with class folders keeps them; one with a manifest gets a new one, labels.csv.
    Files that training ignores are not copied.
    """
    from slipway.explore.clean import clean as copy_cleaned
    from slipway.explore.suspects import read_suspects

    suspects = read_suspects(listing)
    target = output or directory.absolute().with_name(f"{directory.absolute().name}-clean")
    with progress_bar("copying pictures") as advance:
        done = copy_cleaned(directory, suspects, target, advance)
    say(
        f"{target}: {done.copied:,} pictures; {done.removed:,} left out, {done.relabelled:,} with another class, "
        f"{done.kept:,} suspects kept"
    )
    if done.left_out:
        say(f"note: {done.left_out:,} files that training ignores were not copied")
    say(f"Next: slipway data explore {shlex.quote(str(target))}")


@data.command(
    short_help="Upload a folder of pictures to S3.",
    epilog="\b\nExample:\n  slipway data upload dogs s3://my-dogs --dry-run\n  slipway data upload dogs s3://my-dogs",
)
@click.argument("directory", type=click.Path(path_type=Path))
@click.argument("to", metavar="S3_ADDRESS")
@click.option(
    "--kms-key", metavar="KEY", help="ID or ARN of the KMS key to encrypt with.  [default: the bucket's setting]"
)
@click.option("--dry-run", is_flag=True, help="List what is in DIRECTORY and where it would go; make no AWS call.")
@json_option("the address, and what was sent")
@region_option
@profile_option
def upload(
    directory: Path,
    to: str,
    kms_key: str | None,
    dry_run: bool,
    as_json: bool,
    region: str | None,
    profile: str | None,
) -> None:
    """Upload the files below DIRECTORY to S3_ADDRESS, s3://BUCKET/PREFIX; for s3://BUCKET alone, to its dogImages/.

    Folder names are kept. Objects that are already there with the same size and SHA-256 are not sent again, so
    running the same command again resumes an interrupted upload. S3 verifies the checksums. Files that systems and
    tools leave behind (hidden files, __MACOSX, Thumbs.db and the like) are skipped; nothing in the bucket is deleted.
    Where a manifest names a channel's pictures, it and they are uploaded.
    """
    from slipway.aws.connection import Aws
    from slipway.upload.selection import files_to_send
    from slipway.upload.transfer import Upload, destination
    from slipway.upload.walk import LocalFile

    with result(as_json) as answer:
        place = destination(to)
        channels = data_channels(directory)
        files, leftovers = [0, 0], Counter[str]()
        unnamed: list[Path] = []
        for item in files_to_send(directory, leftovers, unnamed):
            if isinstance(item, LocalFile):
                files = [files[0] + 1, files[1] + item.size]
                if dry_run:
                    say(f"{place.below(item.name)}  {item.size:,} bytes")
            elif dry_run:
                complain(f"{item.path}: {item.reason}")
        if leftovers:
            say(f"note: skipped, left behind by systems and tools: {describe_leftovers(leftovers)}")
        if unnamed:
            say(f"note: skipped {len(unnamed):,} files that no manifest names, the first {printable(unnamed[0])}")
        if dry_run:
            answer.add(place=str(place), files=files[0], bytes=files[1])
            say(f"{files[0]:,} files, {files[1] / 1e6:,.1f} MB; nothing was sent, and the bucket was not checked.")
            return
        task = Upload(directory, place, Aws(region, profile), kms_key=kms_key)
        try:
            with transfer_bar("sending", *files) as advance:
                done = task.run(advance, lambda: complain("stopping; waiting for transfers in progress"))
        except KeyboardInterrupt:
            answer.add(place=str(place), sent=task.done.sent, interrupted=True)
            complain(
                f"interrupted; {task.done.sent:,} files were uploaded and remain in {place}. Run it again to send the "
                "rest"
            )
            sys.exit(ExitCode.INTERRUPTED)
        _print_result(done, str(place), answer)
        if "train" in channels:
            _say_next(str(place), region, profile, answer)
        sys.exit(1 if done.failed else 0)


def _say_next(place: str, region: str | None, profile: str | None, answer: Result) -> None:
    """Print the command that trains on what was uploaded, and what it needs that is not there yet."""
    from slipway.requests.missing import Missing

    missing = Missing(dry_run=True)
    missing.role(None)
    missing.image("train", None, missing.region(region, profile))
    for setting in missing.settings:
        say(f"Training there needs one thing more: {setting}")
    answer.add(missing=[str(setting) for setting in missing.settings])
    settings = Settings.read()
    # What slipway.toml or the environment names need not be repeated.
    options = [("--region", region, settings.region), ("--aws-profile", profile, settings.profile)]
    further = "".join(f" {name} {shlex.quote(value)}" for name, value, known in options if value and value != known)
    answer.next(f"slipway train {shlex.quote(place)} --instance-type ml.g4dn.xlarge{further}")


def _print_result(done: "Uploaded", place: str, answer: Result) -> None:
    failed = [{"path": str(item.path), "reason": item.reason} for item in done.unsent if not item.harmless]
    answer.add(place=place, sent=done.sent, sent_bytes=done.sent_bytes, kept=done.kept, extra=done.extra, failed=failed)
    say(f"{place}: {done.sent:,} files sent ({done.sent_bytes / 1e6:,.1f} MB), {done.kept:,} already there")
    if done.extra:
        say(
            f"note: {done.extra:,} objects there are not in the folder but stay; training would read them too "
            "(aws s3 sync --delete removes them)"
        )
    for item in done.unsent:
        if item.harmless:
            say(f"note: {item.path} {item.reason}")
        else:
            complain(f"{item.path}: {item.reason}")
