"""Choosing the answer's type from a request's Accept header (RFC 9110, section 12.5.1)."""

from typing import NamedTuple

from container.serve.replies import RequestError

JSON = "application/json"
JSON_INDEX = "application/json;format=index"
CSV = "text/csv"
JSON_LINES = "application/jsonlines"
NPY = "application/x-npy"

# In the order in which a wildcard chooses.
OFFERED = (JSON, JSON_INDEX, CSV, JSON_LINES, NPY)

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


def choose(accept: str | None, default: str = JSON) -> str:
    """One of `OFFERED`.

    Args:
        accept: The header as it came; None or empty counts as `default`.
        default: What to do without a wish; an Accept value itself.

    Raises:
        RequestError: 406; nothing that is wanted is offered.
    """
    wish = accept if accept and accept.strip() else default
    best: tuple[float, str] | None = None
    for entry in wish.split(","):
        wanted = parse_media_type(entry)
        quality = _quality(wanted)
        # "Whatever you like" is answered as no wish at all is.
        offer = _first_offer(default) if wanted.type == "*/*" else _offer(wanted)
        if offer is not None and quality > 0 and (best is None or quality > best[0]):
            best = (quality, offer)
    if best is None:
        raise RequestError(
            406, f"the answer cannot be given as {wish.strip()[:100]!r}; Accept is one of {', '.join(OFFERED)}"
        )
    return best[1]


def _first_offer(wish: str) -> str:
    offers = (_offer(parse_media_type(entry)) for entry in wish.split(","))
    return next((offer for offer in offers if offer), JSON)


def _offer(wanted: MediaRange) -> str | None:
    kind = _SYNONYMS.get(wanted.type, wanted.type)
    if kind == JSON and wanted.parameters.get("format") == "index":
        return JSON_INDEX
    if "format" in wanted.parameters:
        return None
    family = kind.removesuffix("*") if kind.endswith("/*") else None
    return next((offer for offer in OFFERED if offer == kind or (family and offer.startswith(family))), None)


def _quality(wanted: MediaRange) -> float:
    """The weight; 0 for one that is not a number from 0 to 1."""
    try:
        quality = float(wanted.parameters.get("q", "1"))
    except ValueError:
        return 0.0
    return quality if 0 <= quality <= 1 else 0.0
