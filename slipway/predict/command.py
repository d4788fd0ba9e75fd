"""`slipway predict`: classifies pictures with a running server or an endpoint."""

import json
import mimetypes
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import click

from container.contract.errors import UserError
from slipway.aws.connection import Aws
from slipway.aws.session import AwsSession
from slipway.errors import EndpointError, NoServerError, RequestError, ServiceError
from slipway.inference.explanation import ExplainedPrediction
from slipway.inference.invocations import Endpoint
from slipway.inference.prediction import Prediction
from slipway.options.aws import profile_option, region_option
from slipway.options.names import endpoint_name
from slipway.options.result import json_option
from slipway.predict.picture_download import download_picture, is_web_address
from slipway.terminal.console import complain, say, say_table

DEFAULT_URL = "http://127.0.0.1:8080"
STANDARD_INPUT = Path("-")

Ask = Callable[[Path | bytes], list[Prediction] | ExplainedPrediction]

# Errors that every further picture would get too.
_FATAL = (NoServerError, EndpointError, ServiceError)


class _Image(click.Path):
    """A path, or the address of a picture, which stays text."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value if is_web_address(str(value)) else super().convert(value, param, ctx)


@click.command(
    epilog="\b\nExample:\n"
    "  slipway predict labrador.jpg poodle.jpg --top 3\n"
    "  slipway predict --endpoint dogs labrador.jpg --explain heat-maps\n"
    "  slipway predict dogs/test/Beagle --json\n"
    "  slipway predict https://example.com/labrador.jpg",
)
@click.argument("images", metavar="IMAGE…", nargs=-1, required=True, type=_Image())
@click.option("--url", default=DEFAULT_URL, show_default=True, help="Address of the server.")
@click.option("--endpoint", metavar="NAME", callback=endpoint_name, help="Use this SageMaker endpoint instead.")
@click.option(
    "--target-model", metavar="MODEL", help="Model of a multi-model endpoint: its archive's name below the prefix."
)
@click.option(
    "--top",
    type=click.IntRange(min=1),
    metavar="N",
    help="Show only the N most probable of the classes that the server returns (5, or its SLIPWAY_TOP_K).",
)
@click.option(
    "--explain",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="For each picture, write a Grad-CAM heat map of its most probable class to this folder.",
)
@json_option("a line for each picture")
@region_option
@profile_option
def predict(
    images: tuple[Path | str, ...],
    url: str,
    endpoint: str | None,
    target_model: str | None,
    top: int | None,
    explain: Path | None,
    as_json: bool,
    region: str | None,
    profile: str | None,
) -> None:
    """Send each IMAGE to a server started by `slipway serve`, or to an endpoint, and print the most probable classes.

    Of a folder, the pictures below it are sent, by their names; - is one picture from the standard input; a picture at
    an http or https address is downloaded first, 25 MiB and about 30 s at most. A picture that fails does not stop the
    others; the exit code is 1 if any failed.
    """
    if target_model and not endpoint:
        raise click.UsageError("--target-model is for multi-model endpoints; add --endpoint.")
    pictures = [picture for image in images for picture in _pictures(image)]
    if explain:
        _make_folder(explain)
    failed = False
    explained = explain is not None
    source = (
        _at_endpoint(endpoint, target_model, region, profile, explain=explained)
        if endpoint
        else _at_url(url, explain=explained)
    )
    with source as ask:
        for image in pictures:
            try:
                answer = ask(_content(image))
                written = _write(answer, image, explain) if explain else None
            except _FATAL:
                raise
            except UserError as error:
                failed = True
                complain(f"{image}: {error}")
                if as_json:
                    say(json.dumps({"image": str(image), "error": str(error)}, ensure_ascii=False))
                continue
            predictions = (answer.predictions if isinstance(answer, ExplainedPrediction) else answer)[:top]
            if as_json:
                say(_json(image, predictions, written))
            else:
                _show(image, predictions, written)
    sys.exit(1 if failed else 0)


@contextmanager
def _at_url(url: str, *, explain: bool) -> Iterator[Ask]:
    with Endpoint(url) as server:
        yield server.explain if explain else server.predict


@contextmanager
def _at_endpoint(
    name: str, target_model: str | None, region: str | None, profile: str | None, *, explain: bool
) -> Iterator[Ask]:
    from slipway.hosting.predictor import Predictor

    predictor = Predictor(name, AwsSession(Aws(region, profile)))

    def ask(image: Path | bytes) -> list[Prediction] | ExplainedPrediction:
        answer: list[Prediction] | ExplainedPrediction = predictor.predict(
            image, target_model=target_model, explain=explain
        )
        return answer

    yield ask


def _content(image: Path | str) -> Path | bytes:
    if isinstance(image, str):
        return download_picture(image)
    return sys.stdin.buffer.read() if image == STANDARD_INPUT else image


def _pictures(path: Path | str) -> Sequence[Path | str]:
    """List the pictures below a folder; anything else is one picture."""
    if isinstance(path, str) or not path.is_dir():
        return [path]
    guesses = ((file, mimetypes.guess_type(file.name)[0] or "") for file in sorted(path.rglob("*")) if file.is_file())
    found = [file for file, guess in guesses if guess.startswith("image/")]
    if not found:
        raise RequestError(f"there is no picture below the folder {path}, by the files' names")
    return found


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RequestError(f"{folder} cannot be made for the heat maps: {error.strerror}") from error


def _write(answer: list[Prediction] | ExplainedPrediction, image: Path | str, folder: Path) -> Path:
    if isinstance(image, str):
        image = Path(PurePosixPath(urlsplit(image).path).name or "picture")
    assert isinstance(answer, ExplainedPrediction)
    names = (image.stem, *(f"{image.stem}-{number}" for number in range(2, 1_000_000)))
    return answer.explanation.save(next(path for name in names if not (path := folder / f"{name}.png").exists()))


def _json(image: Path | str, predictions: list[Prediction], heat_map: Path | None) -> str:
    rows = [{"label": row.label, "index": row.index, "probability": row.probability} for row in predictions]
    found: dict[str, object] = {"image": str(image), "predictions": rows}
    return json.dumps({**found, **({"heat_map": str(heat_map)} if heat_map else {})}, ensure_ascii=False)


def _show(image: Path | str, predictions: list[Prediction], heat_map: Path | None) -> None:
    say(click.style(str(image), bold=True))
    say_table([(f"  {row.label}", f"{100 * row.probability:6.2f} %") for row in predictions])
    if heat_map:
        say(f"  heat map: {heat_map}")
