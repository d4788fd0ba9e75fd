"""CloudWatch's logs of jobs and endpoints: their last lines, and what is new."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

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
    """Reads every stream of a job or an endpoint, and remembers how far.

    Args:
        boto_session: Where and as whom.
        group: The log group.
        prefix: Of the streams' names: the job's name and a slash, empty for all of the group.
    """

    def __init__(self, boto_session: "boto3.Session", group: str, prefix: str = "") -> None:
        self._client = boto_session.client("logs")
        self._group = group
        # One job's name can be the beginning of another's.
        self._prefix = f"{prefix.rstrip('/')}/" if prefix else ""
        self._tokens: dict[str, str] = {}

    def new_lines(self) -> list[str]:
        """What was logged since the last call, stream by stream; all of it at the first.

        Raises:
            ServiceError: The credentials do not allow it, or AWS does not answer.
        """
        return [line for stream in self._streams() for line in self._read(stream)]

    def last_lines(self, count: int) -> list[str]:
        """The newest lines of all streams together, the oldest of them first.

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
        with explained("logs:DescribeLogStreams"):
            try:
                for page in self._client.get_paginator("describe_log_streams").paginate(**given):
                    names += [stream["logStreamName"] for stream in page["logStreams"]]
            except ClientError as error:
                # Nothing has been logged yet.
                if error.response["Error"]["Code"] != "ResourceNotFoundException":
                    raise
        return sorted(names)

    def _read(self, stream: str) -> Iterator[str]:
        while True:
            token = self._tokens.get(stream)
            given = {"nextToken": token} if token else {}
            answer = self._events(logStreamName=stream, startFromHead=True, **given)
            yield from (event["message"].rstrip() for event in answer["events"])
            self._tokens[stream] = answer["nextForwardToken"]
            # The same token again is the end, for now.
            if answer["nextForwardToken"] == token:
                return

    def _events(self, **parameters: Any) -> Any:
        with explained("logs:GetLogEvents"):
            return self._client.get_log_events(logGroupName=self._group, **parameters)
