"""Reads the CloudWatch logs of jobs and endpoints: the last lines, and new ones."""

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from slipway.aws.refusals import explained

if TYPE_CHECKING:
    import boto3

TRAINING_GROUP = "/aws/sagemaker/TrainingJobs"
TRANSFORM_GROUP = "/aws/sagemaker/TransformJobs"
PROCESSING_GROUP = "/aws/sagemaker/ProcessingJobs"


def endpoint_group(name: str) -> str:
    """The log group of an endpoint."""
    return f"/aws/sagemaker/Endpoints/{name}"


class LogFollower:
    """Reads every log stream of a job or an endpoint, and remembers its position in each.

    Args:
        boto_session: Credentials and region.
        group: The log group.
        prefix: Prefix of the streams' names: the job's name and a slash; empty for the whole group.
    """

    def __init__(self, boto_session: "boto3.Session", group: str, prefix: str = "") -> None:
        self._client = boto_session.client("logs")
        self._group = group
        # One job's name can be a prefix of another's.
        self._prefix = f"{prefix.rstrip('/')}/" if prefix else ""
        self._tokens: dict[str, str] = {}

    def new_lines(self) -> list[str]:
        """Read what was logged since the last call, stream by stream; everything at the first call.

        Raises:
            ServiceError: The credentials do not allow it, or AWS does not answer.
        """
        return [line for stream in self._streams() for line in self._read(stream)]

    def last_lines(self, count: int) -> list[str]:
        """Read the newest lines of all streams together, oldest first.

        Raises:
            ServiceError: As for `new_lines`.
        """
        events: list[tuple[int, str]] = []
        for stream in self._streams():
            answer = self._events(logStreamName=stream, limit=count, startFromHead=False)
            events += [(event["timestamp"], event["message"]) for event in answer["events"]]
        return [message.rstrip() for _, message in sorted(events)[-count:]]

    def _streams(self) -> list[str]:
        names: list[str] = []
        given: dict[str, Any] = {"logGroupName": self._group}
        if self._prefix:
            given["logStreamNamePrefix"] = self._prefix
        # There is no group until something is logged.
        nothing_yet = suppress(self._client.exceptions.ResourceNotFoundException)
        with explained("logs:DescribeLogStreams"), nothing_yet:
            for page in self._client.get_paginator("describe_log_streams").paginate(**given):
                names += [stream["logStreamName"] for stream in page["logStreams"]]
        return sorted(names)

    def _read(self, stream: str) -> Iterator[str]:
        while True:
            token = self._tokens.get(stream)
            given = {"nextToken": token} if token else {}
            answer = self._events(logStreamName=stream, startFromHead=True, **given)
            yield from (event["message"].rstrip() for event in answer["events"])
            self._tokens[stream] = answer["nextForwardToken"]
            # A repeated token means the end, for now.
            if answer["nextForwardToken"] == token:
                return

    def _events(self, **parameters: Any) -> Any:
        with explained("logs:GetLogEvents"):
            return self._client.get_log_events(logGroupName=self._group, **parameters)
