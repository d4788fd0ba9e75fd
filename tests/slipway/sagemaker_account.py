"""Accounts of SageMaker that tests ask: one that answers as a dry run does, and moto's."""

import time
from collections.abc import Mapping
from typing import Any

from slipway.aws.connection import Aws
from slipway.aws.dry_run import DryRun
from slipway.aws.session import AwsSession, aws_session
from slipway.training.estimator import Estimator

REGION = "eu-west-1"
ROLE = "arn:aws:iam::111122223333:role/slipway-execution"
IMAGE = f"111122223333.dkr.ecr.{REGION}.amazonaws.com/slipway:serve-3f2a"


class DryAccount:
    """Keeps the requests, which botocore has validated, and sends none."""

    def __init__(self, *, sdk: bool = True) -> None:
        self.recorded = DryRun()
        self.session: Any = (aws_session if sdk else AwsSession)(Aws(REGION, None), self.recorded)
        self.sdk = sdk
        """Whether version 2 of the SDK asks."""

    def estimator(self, **arguments: Any) -> Any:
        """Either kind of Estimator, which asks this account."""
        from slipway.sdk2.estimator import Estimator as SdkEstimator

        kind = SdkEstimator if self.sdk else Estimator
        given = {"role": ROLE, "instance_type": "ml.g4dn.xlarge", "image_uri": IMAGE, **arguments}
        return kind(sagemaker_session=self.session, **given)

    def attached(self) -> Any:
        """The Estimator of the job that DescribeTrainingJob answers with."""
        return type(self.estimator()).attach("dogs", self.session)

    def reset(self) -> "DryAccount":
        """As new; to make another one takes seconds."""
        self.recorded.requests.clear()
        self.recorded.answers = {}
        return self

    def answer(self, **answers: Mapping[str, Any]) -> "DryAccount":
        """Answer operations so from now on."""
        self.recorded.answers = {**self.recorded.answers, **answers}
        return self

    @property
    def made(self) -> list[str]:
        """Which requests would have changed something, in order."""
        return [request.operation for request in self.recorded.writes]

    def body(self, operation: str) -> Mapping[str, Any]:
        """Of the last request of that kind."""
        return [request for request in self.recorded.requests if request.operation == operation][-1].parameters


def logged(*lines: str) -> dict[str, Mapping[str, Any]]:
    """CloudWatch's answers of an endpoint that has logged these lines."""
    now = int(time.time() * 1000)
    events = [{"timestamp": now + number, "message": line} for number, line in enumerate(lines)]
    return {
        "DescribeLogStreams": {"logStreams": [{"logStreamName": "AllTraffic/i-1"}] if lines else []},
        "GetLogEvents": {"events": events, "nextForwardToken": "f/1"},
    }
