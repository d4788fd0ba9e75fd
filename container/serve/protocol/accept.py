"""Choosing the answer's type from a request's Accept header (RFC 9110, section 12.5.1)."""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

from container.serve.protocol.explain_request import ExplainRequest
from container.serve.protocol.replies import RequestError

JSON = "application/json"
JSON_INDEX = "application/json;format=index"
JSON_SCORES = "application/json;format=scores"
CSV = "text/csv"
CSV_SCORES = "text/csv;format=scores"
JSON_LINES = "application/jsonlines"
JSON_LINES_SCORES = "application/jsonlines;format=scores"
NPY = "application/x-npy"

# In order of preference for wildcards.
OFFERED = (JSON, JSON_INDEX, JSON_SCORES, CSV, CSV_SCORES, JSON_LINES, JSON_LINES_SCORES, NPY)

PLAIN = (JSON, CSV, NPY)
"""Types for values other than class predictions; the first is preferred."""

EXPLAINED = (JSON, JSON_LINES)
"""Types that can hold an explanation."""

# Other names of JSON Lines.
_SYNONYMS = {"application/x-jsonlines": JSON_LINES, "application/jsonl": JSON_LINES, "application/x-ndjson": JSON_LINES}


class MediaRange(NamedTuple):
    """One entry of an Accept header, or a Content-Type."""

    type: str
    """Lower case, without parameters: `text/csv`, `text/*`, `*/*`."""
    parameters: dict[str, str]
    """Names and values in lower case, without quotes."""


def parse_media_type(text: str) -> MediaRange:
    """Parse `type/subtype; name=value; ...`; anything is accepted, and malformed parameters are omitted."""
    kind, *rest = text.split(";")
    parameters = {}
    for part in rest:
        name, equals, value = part.partition("=")
        if equals:
            parameters[name.strip().lower()] = value.strip().strip('"').lower()
    return MediaRange(kind.strip().lower(), parameters)


class Form(NamedTuple):
    """The negotiated form of an answer."""

    offer: str
    """One of `OFFERED`."""
    explain: ExplainRequest | None
    """The explanation that the headers ask for, of every picture."""


def negotiate(accept: str | None, default: str = JSON, attributes: str | None = None) -> Form:
    """Choose the form of an answer by a request's headers.

    An entry of Accept without `format` gets that of `attributes`, else that of `default`, if there is such an offer;
    `format=predictions` means no other format. `explain` is taken from the chosen entry, else from `attributes`.

    Args:
        accept: The header as received; None or empty counts as `default`.
        default: An Accept value for requests without one.
        attributes: X-Amzn-SageMaker-Custom-Attributes: `name=value`, separated by commas or semicolons. Unknown names
            are ignored.

    Raises:
        RequestError: 406, no acceptable type is offered; 400, the value of `explain` is unknown.
    """
    wish = accept if accept and accept.strip() else default
    own = parse_media_type("*/*;" + (attributes or "").replace(",", ";")).parameters
    formats = [own.get("format"), parse_media_type(default).parameters.get("format")]
    best: tuple[float, str, MediaRange] | None = None
    for entry in wish.split(","):
        wanted = parse_media_type(entry)
        quality = _quality(wanted)
        # A full wildcard counts as no Accept at all.
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
    """Choose one of `OFFERED` by Accept alone; see `negotiate`."""
    return negotiate(accept, default).offer


def choose_plain(accept: str | None, default: str) -> str:
    """Choose one of `PLAIN` by Accept with its weights and wildcards; `default` if any of them would do.

    Raises:
        RequestError: 406, no acceptable type is offered, or only with a `format` or an explanation.
    """
    wish = accept if accept and accept.strip() else "*/*"
    preferred = parse_media_type(default.partition(",")[0]).type
    offers = sorted(PLAIN, key=lambda offer: offer != preferred)
    best, chosen = 0.0, None
    for entry in map(parse_media_type, wish.split(",")):
        offer = next((offer for offer in offers if fnmatchcase(offer, entry.type)), None)
        if offer and not {"format", "explain"} & entry.parameters.keys() and _quality(entry) > best:
            best, chosen = _quality(entry), offer
    if chosen is None:
        raise RequestError(
            406, f"the answer cannot be given as {wish.strip()[:100]!r}; Accept is one of {', '.join(PLAIN)}"
        )
    return chosen


def is_json_lines(content_type: str | None) -> bool:
    """Whether a body is JSON Lines, by any of its names."""
    kind = parse_media_type(content_type or "").type
    return _SYNONYMS.get(kind, kind) == JSON_LINES


def default_for(content_type: str | None, default: str) -> str:
    """The `default` of `negotiate` for a request's body: where it is JSON, JSON Lines are answered by JSON Lines."""
    wanted = parse_media_type(default)
    if wanted.type not in (JSON, "*/*") or not is_json_lines(content_type):
        return default
    offer = f"{JSON_LINES};format={wanted.parameters.get('format')}"
    return offer if offer in OFFERED else JSON_LINES


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
    """The weight of an entry; 0 if it is not a number from 0 to 1."""
    try:
        quality = float(wanted.parameters.get("q", "1"))
    except ValueError:
        return 0.0
    return quality if 0 <= quality <= 1 else 0.0
