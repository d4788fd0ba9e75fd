"""Answers that an asynchronous endpoint will write to S3."""

import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar

from slipway.aws.refusals import AwsError, explained
from slipway.aws.s3_address import S3Address
from slipway.errors import RequestError

if TYPE_CHECKING:
    from slipway.aws.session import AnySession

Answer = TypeVar("Answer")

_MISSING = ("NoSuchKey", "404")
_POLL_S = 2.0
_LONGEST_MESSAGE = 500


class PendingPrediction(Generic[Answer]):
    """The pending answer that `Predictor.predict_async` returns.

    Args:
        session: Credentials and region.
        output: S3 address of the answer.
        failure: S3 address of the reason if there is no answer; None if the endpoint writes none.
        parse: Parses the object at `output`.
    """

    def __init__(
        self, session: "AnySession", output: str, failure: str | None, parse: Callable[[bytes], Answer]
    ) -> None:
        self.output = output
        self.failure = failure
        self._client = session.boto_session.client("s3")
        self._parse = parse

    def done(self) -> bool:
        """Whether there is an answer, or the reason why there is none."""
        return self._content(self.output) is not None or self._content(self.failure) is not None

    def result(self, timeout_s: float = 900, *, poll_s: float = _POLL_S) -> Answer:
        """Wait for the answer.

        Args:
            timeout_s: Seconds to wait; an endpoint that was scaled to zero needs minutes to start an instance.
            poll_s: Seconds between polls.

        Raises:
            RequestError: The endpoint refused the request, with the container's message; or the wait timed out and
                can be repeated.
            ServiceError: AWS refuses.
        """
        give_up_at = time.monotonic() + timeout_s
        while True:
            if (content := self._content(self.output)) is not None:
                return self._parse(content)
            if (reason := self._content(self.failure)) is not None:
                raise RequestError(f"the endpoint refused it: {_message(reason)}")
            if time.monotonic() >= give_up_at:
                raise RequestError(
                    f"there is no answer at {self.output} after {timeout_s:.0f} s; result() can be called again, the "
                    "endpoint may still be starting instances or have others to answer first"
                )
            time.sleep(min(poll_s, max(0.0, give_up_at - time.monotonic())))

    def _content(self, address: str | None) -> bytes | None:
        if address is None:
            return None
        place = S3Address.parse(address)
        try:
            with explained(f"reading {place}"):
                content: bytes = self._client.get_object(Bucket=place.bucket, Key=place.key)["Body"].read()
                return content
        except AwsError as error:
            if error.code in _MISSING:
                return None
            raise


def _message(reason: bytes) -> str:
    text = reason.decode(errors="replace").strip()
    try:
        return str(json.loads(text)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return " ".join(text.split())[:_LONGEST_MESSAGE]
