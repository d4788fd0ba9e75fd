"""Dry run: records the requests that would be made, validated by botocore and never sent."""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from slipway.aws.connection import Aws

ACCOUNT = "111122223333"
"""Placeholder for the user's account in a dry run, which makes no call to look it up."""

_READS = ("Describe", "List", "Get", "Head", "BatchGet", "Search", "Filter")


@dataclass(frozen=True, kw_only=True)
class ApiRequest:
    """One API request with botocore's parameters."""

    service: str
    operation: str
    parameters: Mapping[str, Any]

    @property
    def writes(self) -> bool:
        """Whether the request would change anything."""
        return not self.operation.startswith(_READS)

    def __str__(self) -> str:
        """The request as JSON, with the names of the service's API reference."""
        return json.dumps({f"{self.service}:{self.operation}": self.parameters}, indent=2, default=_for_json)


@dataclass
class DryRun:
    """Answers every call made through an `Aws`, instead of AWS.

    Requests pass botocore's own validation first, so a malformed one fails here too. Except for the operations in
    `passing`, no credentials are needed and nothing leaves the machine.
    """

    passing: Sequence[str] = ()
    """Read operations that are sent to AWS, such as DescribeTrainingJob."""
    answers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Additional members of the made-up answers, by operation."""
    requests: list[ApiRequest] = field(default_factory=list)
    """All requests so far, reads included."""

    def attach(self, aws: Aws) -> None:
        """Intercept the calls of all clients that are created from now on."""
        aws.answered_here = not self.passing
        aws.events.register("before-parameter-build", self._record)
        aws.events.register("before-call", self._answer)

    @property
    def writes(self) -> list[ApiRequest]:
        """The requests that would change something, in order."""
        return [request for request in self.requests if request.writes]

    def _record(self, params: Mapping[str, Any], model: Any, **_: Any) -> None:
        if model.name not in self.passing:
            service = model.service_model.service_name
            # A copy: the client changes its parameters later.
            self.requests.append(ApiRequest(service=service, operation=model.name, parameters=dict(params)))

    def _answer(self, model: Any, params: Any, **_: Any) -> tuple[Any, Mapping[str, Any]] | None:
        if model.name in self.passing:
            return None
        made_up = {**_identifiers(model), **self.answers.get(model.name, {})}
        # The metadata that botocore would have parsed from such a response.
        metadata = {"HTTPStatusCode": 200, "HTTPHeaders": {}, "RetryAttempts": 0}
        return SimpleNamespace(status_code=200, headers={}), {**made_up, "ResponseMetadata": metadata}


def _identifiers(model: Any) -> dict[str, Any]:
    members = model.output_shape.members if model.output_shape is not None else {}
    found: dict[str, Any] = {
        name: f"arn:aws:{model.service_model.service_name}:::{name[:-3].lower()}/dry-run"
        for name in members
        if name.endswith(("Arn", "ARN"))
    }
    if "Account" in members:
        found["Account"] = ACCOUNT
    return found


def _for_json(value: Any) -> str:
    if isinstance(value, io.BytesIO):
        value = value.getvalue()
    return f"<{len(value)} bytes>" if isinstance(value, bytes | bytearray) else f"<{type(value).__name__}>"
