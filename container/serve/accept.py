"""Choosing the answer's type from a request's Accept header (RFC 9110, section 12.5.1)."""

from collections.abc import Sequence
from typing import NamedTuple

from container.serve.explain_request import ExplainRequest
from container.serve.replies import RequestError

JSON = "application/json"
JSON_INDEX = "application/json;format=index"
JSON_SCORES = "application/json;format=scores"
CSV = "text/csv"
CSV_SCORES = "text/csv;format=scores"
JSON_LINES = "application/jsonlines"
JSON_LINES_SCORES = "application/jsonlines;format=scores"
NPY = "application/x-npy"

# In the order in which a wildcard chooses.
OFFERED = (JSON, JSON_INDEX, JSON_SCORES, CSV, CSV_SCORES, JSON_LINES, JSON_LINES_SCORES, NPY)

EXPLAINED = (JSON, JSON_LINES)
"""Those that can hold an explanation."""

# What else JSON lines go by.
_SYNONYMS = {"application/x-jsonlines": JSON_LINES, "application/jsonl": JSON_LINES, "application/x-ndjson": JSON_LINES}


class MediaRange(NamedTuple):
    """One entry of an Accept header, or a Content-Type."""

    type: str
    """Lower case, without parameters: `text/csv`, `text/*`, `*/*`."""
    parameters: dict[str, str]
    """Names and values in lower case, without quotes."""


def parse_media_type(text: str) -> MediaRange:
    """Read `type/subtype; name=value; ...`; anything is accepted, and what is no parameter is left out."""
    kind, *rest = text.split(";")
    parameters = {}
    for part in rest:
        name, equals, value = part.partition("=")
        if equals:
            parameters[name.strip().lower()] = value.strip().strip('"').lower()
    return MediaRange(kind.strip().lower(), parameters)


class Form(NamedTuple):
    """What an answer shall be."""

    offer: str
    """One of `OFFERED`."""
    explain: ExplainRequest | None
    """What the headers ask to be explained, for every picture."""


def negotiate(accept: str | None, default: str = JSON, attributes: str | None = None) -> Form:
    """What a request's headers ask for.

    An entry of Accept without `format` gets the one of `attributes`, else that of `default`, where there is such an
    offer; `format=predictions` is the ordinary one. `explain` is taken from the chosen entry, else from `attributes`.

    Args:
        accept: The header as it came; None or empty counts as `default`.
        default: What to do without a wish; an Accept value itself.
        attributes: X-Amzn-SageMaker-Custom-Attributes: `name=value`, separated by commas or semicolons. What is not
            known is somebody else's and passed over.

    Raises:
        RequestError: 406, nothing that is wanted is offered; 400, `explain` has no such value.
    """
    wish = accept if accept and accept.strip() else default
    own = parse_media_type("*/*;" + (attributes or "").replace(",", ";")).parameters
    formats = [own.get("format"), parse_media_type(default).parameters.get("format")]
    best: tuple[float, str, MediaRange] | None = None
    for entry in wish.split(","):
        wanted = parse_media_type(entry)
        quality = _quality(wanted)
        # "Whatever you like" is answered as no wish at all is.
        offer = _first_offer(default, formats) if wanted.type == "*/*" else _offer(wanted, formats)
        if offer is not None and quality > 0 and (best is None or quality > best[0]):
            best = (quality, offer, wanted)
    if best is None:
        raise RequestError(
            406, f"the answer cannot be given as {wish.strip()[:100]!r}; Accept is one of {', '.join(OFFERED)}"
        )
    explain = best[2].parameters.get("explain", own.get("explain"))
    return Form(best[1], None if explain is None else ExplainRequest.from_text(explain))


def choose(accept: str | None, default: str = JSON) -> str:
    """One of `OFFERED`, by Accept alone: see `negotiate`."""
    return negotiate(accept, default).offer


def _first_offer(wish: str, formats: Sequence[str | None]) -> str:
    offers = (_offer(parse_media_type(entry), formats) for entry in wish.split(","))
    return next((offer for offer in offers if offer), JSON)


def _offer(wanted: MediaRange, formats: Sequence[str | None]) -> str | None:
    kind = _SYNONYMS.get(wanted.type, wanted.type)
    family = kind.removesuffix("*") if kind.endswith("/*") else None
    plain = next((offer for offer in OFFERED if offer == kind or (family and offer.startswith(family))), None)
    if plain is None:
        return None
    for name in (wanted.parameters.get("format"), *formats, "predictions"):
        offer = plain if name == "predictions" else f"{plain};format={name}"
        if offer in OFFERED:
            return offer
        if "format" in wanted.parameters:
            return None
    return None


def _quality(wanted: MediaRange) -> float:
    """The weight; 0 for one that is not a number from 0 to 1."""
    try:
        quality = float(wanted.parameters.get("q", "1"))
    except ValueError:
        return 0.0
    return quality if 0 <= quality <= 1 else 0.0
