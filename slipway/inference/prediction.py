"""Predictions in a server's answer."""

from dataclasses import dataclass

from slipway.errors import RequestError


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """A class with its probability."""

    label: str
    index: int
    """Index of the class in the network's output."""
    probability: float
    """Probability, 0 to 1."""


def parse_predictions(answer: object) -> list[Prediction]:
    """Parse `{"predictions": [{"label", "index", "probability"}, …]}`, most probable class first.

    Raises:
        RequestError: The answer has another form.
    """
    try:
        rows = answer["predictions"]  # type: ignore[index]  # anything else than an object raises a TypeError
        return [
            Prediction(label=str(row["label"]), index=int(row["index"]), probability=float(row["probability"]))
            for row in rows
        ]
    except (TypeError, KeyError, ValueError) as error:
        raise RequestError(
            f"the server's answer holds no predictions ({str(answer)[:200]}); is another program at that address?"
        ) from error
