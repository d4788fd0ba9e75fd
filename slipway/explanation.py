"""A Grad-CAM heat map, as the serving image gives it beside a prediction."""

import base64
import binascii
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from slipway.errors import RequestError
from slipway.prediction import Prediction


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """Where in the picture the network saw a class."""

    label: str
    index: int
    """Of the network's output."""
    width: int
    """Of the heat map, pixels; it covers the whole picture."""
    height: int
    heat_map: bytes
    """A PNG file."""

    @classmethod
    def from_json(cls, fields: Any) -> Self:
        """Read the `explanation` of an answer.

        Raises:
            RequestError: It has another form.
        """
        try:
            return cls(
                label=str(fields["label"]),
                index=int(fields["index"]),
                width=int(fields["width"]),
                height=int(fields["height"]),
                heat_map=base64.b64decode(fields["image"], validate=True),
            )
        except (TypeError, KeyError, ValueError, binascii.Error) as error:
            raise RequestError(
                "the answer holds no explanation; the endpoint may run a user's inference.py, or an older image"
            ) from error

    def save(self, path: str | Path) -> Path:
        """Write the PNG.

        Raises:
            RequestError: It cannot be written.
        """
        try:
            Path(path).write_bytes(self.heat_map)
        except OSError as error:
            raise RequestError(f"{path} cannot be written: {error.strerror}") from error
        return Path(path)


@dataclass(frozen=True, kw_only=True)
class ExplainedPrediction:
    """One picture's answer with its explanation."""

    predictions: list[Prediction]
    explanation: Explanation
