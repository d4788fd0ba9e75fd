"""Grad-CAM heat maps, which the serving image returns beside a prediction."""

import base64
import binascii
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from slipway.errors import RequestError
from slipway.inference.prediction import Prediction


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """A heat map of where in the picture the network saw a class."""

    label: str
    index: int
    """Index of the class in the network's output."""
    width: int
    """Width of the heat map in pixels; it covers the whole picture."""
    height: int
    heat_map: bytes
    """Content of a PNG file."""

    @classmethod
    def from_json(cls, fields: Any) -> Self:
        """Read the `explanation` of an answer.

        Raises:
            RequestError: The field has another form.
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
        """Write the PNG file.

        Raises:
            RequestError: The file cannot be written.
        """
        try:
            Path(path).write_bytes(self.heat_map)
        except OSError as error:
            raise RequestError(f"{path} cannot be written: {error.strerror}") from error
        return Path(path)


@dataclass(frozen=True, kw_only=True)
class ExplainedPrediction:
    """The predictions for a picture, and their explanation."""

    predictions: list[Prediction]
    explanation: Explanation
