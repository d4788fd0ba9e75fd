"""`slipway predict`: ask a running server or an endpoint what pictures show."""

import json
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from container.errors import UserError
from slipway.cli.aws_options import profile_option, region_option
from slipway.cli.console import complain, say
from slipway.errors import EndpointError, NoServerError, RequestError, ServiceError
from slipway.explanation import ExplainedPrediction
from slipway.invocations import Endpoint
from slipway.prediction import Prediction

DEFAULT_URL = "http://127.0.0.1:8080"

Ask = Callable[[Path], list[Prediction] | ExplainedPrediction]

# They would be the same for every further picture.
_FATAL = (NoServerError, EndpointError, ServiceError)


@click.command(
    short_help="Ask a running server or an endpoint what pictures show.",
    epilog="\b\nExample:\n"
    "  slipway predict labrador.jpg poodle.jpg --top 3\n"
    "  slipway predict --endpoint dogs labrador.jpg --explain heat-maps",
)
@click.argument("images", metavar="IMAGE…", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--url", default=DEFAULT_URL, show_default=True, help="Where the server is.")
@click.option("--endpoint", metavar="NAME", help="Ask this endpoint of SageMaker instead.")
@click.option("--target-model", metavar="MODEL", help="Of a multi-model endpoint: the archive's name below its prefix.")
@click.option(
    "--top",
    type=click.IntRange(min=1),
    metavar="N",
    help="Show only the N most probable of the classes that the server names (5, or its SLIPWAY_TOP_K).",
)
@click.option(
    "--explain",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write there, for each picture, a heat map of what speaks for its first class.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line and picture.")
@region_option
@profile_option
def predict(
    images: tuple[Path, ...],
    url: str,
    endpoint: str | None,
    target_model: str | None,
    top: int | None,
    explain: Path | None,
    as_json: bool,
    region: str | None,
    profile: str | None,
) -> None:
    """Post each IMAGE to a server that `slipway serve` started, or to an endpoint, and print the most probable
    classes.

    A picture that fails does not stop the others; the exit code is 1 if any failed.
    """
    if target_model and not endpoint:
        raise click.UsageError("--target-model is of a multi-model endpoint; name it with --endpoint.")
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
        for image in images:
            try:
                answer = ask(image)
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
            say(_json(image, predictions, written) if as_json else _text(image, predictions, written))
    sys.exit(1 if failed else 0)


@contextmanager
def _at_url(url: str, *, explain: bool) -> Iterator[Ask]:
    with Endpoint(url) as server:
        yield server.explain if explain else server.predict


@contextmanager
def _at_endpoint(
    name: str, target_model: str | None, region: str | None, profile: str | None, *, explain: bool
) -> Iterator[Ask]:
    from slipway.aws.session import session_for
    from slipway.predictor import Predictor

    logging.getLogger("sagemaker").setLevel(logging.WARNING)
    predictor = Predictor(name, session_for("endpoint", region=region, profile=profile))

    def ask(image: Path) -> list[Prediction] | ExplainedPrediction:
        answer: list[Prediction] | ExplainedPrediction = predictor.predict(
            image, target_model=target_model, explain=explain
        )
        return answer

    yield ask


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RequestError(f"{folder} cannot be made for the heat maps: {error.strerror}") from error


def _write(answer: list[Prediction] | ExplainedPrediction, image: Path, folder: Path) -> Path:
    assert isinstance(answer, ExplainedPrediction)
    names = (image.stem, *(f"{image.stem}-{number}" for number in range(2, 1_000_000)))
    return answer.explanation.save(next(path for name in names if not (path := folder / f"{name}.png").exists()))


def _json(image: Path, predictions: list[Prediction], heat_map: Path | None) -> str:
    rows = [{"label": row.label, "index": row.index, "probability": row.probability} for row in predictions]
    found: dict[str, object] = {"image": str(image), "predictions": rows}
    return json.dumps({**found, **({"heat_map": str(heat_map)} if heat_map else {})}, ensure_ascii=False)


def _text(image: Path, predictions: list[Prediction], heat_map: Path | None) -> str:
    width = max((len(row.label) for row in predictions), default=0)
    rows = [f"  {row.label:<{width}}  {100 * row.probability:6.2f} %" for row in predictions]
    written = [f"  heat map: {heat_map}"] if heat_map else []
    return "\n".join([click.style(str(image), bold=True), *rows, *written])
