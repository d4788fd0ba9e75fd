"""`slipway images`: what push.sh has pushed from this machine."""

import dataclasses
import json

import click

from slipway.cli.console import say
from slipway.images import read_images


@click.command(short_help="Show the pushed images.", epilog="\b\nExample:\n  slipway images --json")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON list.")
def images(as_json: bool) -> None:
    """Show which images ./push.sh pushed from this machine, the last of each target and region.

    The addresses are what SageMaker takes as image_uri: by tag, and by digest, which never means another image.
    """
    pushed = read_images()
    if as_json:
        say(json.dumps([dataclasses.asdict(image) for image in pushed], indent=2))
        return
    if not pushed:
        say("No image has been pushed from this machine.")
        say("Next: ./build.sh && ./push.sh")
        return
    rows = [("TARGET", "REGION", "REVISION", "PUSHED (UTC)", "IMAGE")]
    for image in pushed:
        moment = image.pushed[:16].replace("T", " ")
        rows.append((image.target, image.region, image.revision, moment, image.uri))
        rows.append(("", "", "", "", image.digest_uri))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
