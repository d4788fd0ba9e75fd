"""`slipway predict`: ask a running server what pictures show."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from container.errors import UserError
from slipway.cli.console import complain, say
from slipway.errors import NoServerError
from slipway.invocations import Endpoint
from slipway.prediction import Prediction

DEFAULT_URL = "http://127.0.0.1:8080"


@click.command(
    short_help="Ask a running server what pictures show.",
    epilog="\b\nExample:\n  slipway predict labrador.jpg poodle.jpg --top 3",
)
@click.argument("images", metavar="IMAGE…", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--url", default=DEFAULT_URL, show_default=True, help="Where the server is.")
@click.option(
    "--top",
    type=click.IntRange(min=1),
    metavar="N",
    help="Show only the N most probable of the classes that the server names (5, or its SLIPWAY_TOP_K).",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line and picture.")
def predict(images: tuple[Path, ...], url: str, top: int | None, as_json: bool) -> None:
    """Post each IMAGE to a server that `slipway serve` started, and print the most probable classes.

    A picture that fails does not stop the others; the exit code is 1 if any failed.
    """
    failed = False
    with Endpoint(url) as endpoint:
        for image in images:
            try:
                predictions = endpoint.predict(image)[:top]
            except NoServerError:
                raise
            except UserError as error:
                failed = True
                complain(f"{image}: {error}")
                if as_json:
                    say(json.dumps({"image": str(image), "error": str(error)}, ensure_ascii=False))
                continue
            say(_json(image, predictions) if as_json else _text(image, predictions))
    sys.exit(1 if failed else 0)


def _json(image: Path, predictions: Sequence[Prediction]) -> str:
    rows = [{"label": row.label, "index": row.index, "probability": row.probability} for row in predictions]
    return json.dumps({"image": str(image), "predictions": rows}, ensure_ascii=False)


def _text(image: Path, predictions: Sequence[Prediction]) -> str:
    width = max((len(row.label) for row in predictions), default=0)
    rows = [f"  {row.label:<{width}}  {100 * row.probability:6.2f} %" for row in predictions]
    return "\n".join([click.style(str(image), bold=True), *rows])
