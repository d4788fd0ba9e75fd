"""HTTP client of a serving container: one request to /invocations per picture."""

import http.client
import json
import mimetypes
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from slipway.errors import NoServerError, RequestError
from slipway.inference.explanation import ExplainedPrediction, Explanation
from slipway.inference.prediction import Prediction, parse_predictions

TIMEOUT_S = 70.0
"""Timeout in seconds; SageMaker's limit for an invocation is 60 s."""

ANY_PICTURE = "application/x-image"
_JSON = "application/json"


class Endpoint:
    """A server, with a connection that is kept between requests."""

    def __init__(self, url: str) -> None:
        """Raise a RequestError if the address is invalid."""
        parts = urlsplit(url if "//" in url else f"http://{url}")
        try:
            host, port = parts.hostname, parts.port
        except ValueError:
            host, port = None, None
        if parts.scheme not in ("http", "https") or not host:
            raise RequestError(f"{url!r} is not the address of a server; write it like http://127.0.0.1:8080")
        self.url = f"{parts.scheme}://{parts.netloc}"
        connection = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = connection(host, port, timeout=TIMEOUT_S)

    def predict(self, image: Path | bytes) -> list[Prediction]:
        """Post a picture's file as it is.

        Args:
            image: The file, or its content.

        Returns:
            The most probable classes, the first one first.

        Raises:
            NoServerError: Nothing answers at the address.
            RequestError: The file cannot be read, or the server refuses the picture; the message is the server's.
        """
        return parse_predictions(self._ask(image, _JSON))

    def explain(self, image: Path | bytes) -> ExplainedPrediction:
        """Post a picture's file, and ask for a heat map of its most probable class.

        Raises:
            NoServerError: As for `predict`.
            RequestError: As for `predict`, or the server has no explanations.
        """
        answer = self._ask(image, f"{_JSON};explain=true")
        return ExplainedPrediction(
            predictions=parse_predictions(answer), explanation=Explanation.from_json(answer.get("explanation"))
        )

    def _ask(self, image: Path | bytes, accept: str) -> Any:
        try:
            body = image if isinstance(image, bytes) else image.read_bytes()
        except OSError as error:
            raise RequestError(f"the file cannot be read: {error.strerror}") from error
        guess = (isinstance(image, Path) and mimetypes.guess_type(image.name)[0]) or ""
        status, phrase, answer = self._post(body, guess if guess.startswith("image/") else ANY_PICTURE, accept)
        if status != http.HTTPStatus.OK:
            raise RequestError(_refusal(status, phrase, answer))
        try:
            return json.loads(answer)
        except ValueError as error:
            raise RequestError(f"the server at {self.url} answers with something other than JSON") from error

    def _post(self, body: bytes, content_type: str, accept: str) -> tuple[int, str, bytes]:
        headers = {"Content-Type": content_type, "Accept": accept}
        try:
            self._connection.request("POST", "/invocations", body, headers)
            response = self._connection.getresponse()
            return response.status, response.reason, response.read()
        except TimeoutError as error:
            self._connection.close()
            raise RequestError(f"the server at {self.url} did not answer within {TIMEOUT_S:.0f} s") from error
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise NoServerError(
                f"no server answers at {self.url} ({error}); start one: slipway serve MODEL, or name another "
                "address with --url"
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()


def _refusal(status: int, phrase: str, answer: bytes) -> str:
    try:
        message = json.loads(answer)["error"]["message"]
    except (ValueError, KeyError, TypeError):
        # Another program's server, whose page does not belong on a terminal.
        message = phrase
    return f"the server refused it ({status}): {message}"
