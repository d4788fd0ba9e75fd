"""`slipway images`: lists the images that push.sh pushed from this machine."""

import dataclasses
import json

import click

from slipway.options.result import json_option
from slipway.settings.pushed_images import read_images
from slipway.terminal.console import say, say_table


@click.command(epilog="\b\nExample:\n  slipway images --json")
@json_option("the images")
def images(as_json: bool) -> None:
    """List the images that ./push.sh pushed from this machine: the latest for each target and region.

    The addresses can be used as image_uri in SageMaker: by tag, or by digest, which always means the same image.
    """
    pushed = read_images()
    if as_json:
        say(json.dumps([dataclasses.asdict(image) for image in pushed], indent=2))
        return
    if not pushed:
        say("No image has been pushed from this machine.")
        say("Next: ./build.sh && ./push.sh")
        return
    rows: list[tuple[str, ...]] = []
    for image in pushed:
        moment = image.pushed[:16].replace("T", " ")
        rows.append((image.target, image.region, image.revision, moment, image.uri))
        rows.append(("", "", "", "", image.digest_uri))
    say_table(rows, ("TARGET", "REGION", "REVISION", "PUSHED (UTC)", "IMAGE"))
