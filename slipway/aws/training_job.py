"""Training jobs on SageMaker: waiting, billable time, and reasons of failures."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from slipway.aws.cloud_logs import TRAINING_GROUP, LogFollower
from slipway.aws.console_address import console_address
from slipway.aws.permissions import missing_permission
from slipway.aws.refusals import explained
from slipway.errors import RemoteJobError, ServiceError

if TYPE_CHECKING:
    from slipway.aws.session import AnySession

_ENDED = ("Completed", "Failed", "Stopped")
_POLL_S = 10.0


@dataclass(frozen=True, kw_only=True)
class Cost:
    """The time that a job used: wall-clock seconds, which are paid for each instance."""

    billable_s: int
    training_s: int
    instance_count: int

    @property
    def saved_percent(self) -> float:
        """Percentage saved by spot training; 0 if all of the time is billed."""
        return max(0.0, 100 * (1 - self.billable_s / self.training_s)) if self.training_s else 0.0

    def describe(self, price_per_hour: float | None = None) -> str:
        """Describe the cost in one line.

        Args:
            price_per_hour: Price of one instance, in any currency; without it, only the time is shown.
        """
        text = f"{self.billable_s} billable seconds of {self.training_s} in training"
        if self.instance_count > 1:
            text += f", on each of {self.instance_count} instances"
        if self.saved_percent >= 1:
            text += f", {self.saved_percent:.0f} % saved by spot"
        if (price := self.price(price_per_hour)) is not None:
            text += f": {price:.2f} at {price_per_hour:g} an hour"
        return text

    def price(self, price_per_hour: float | None) -> float | None:
        """Compute the price of all instances; None without that of one for an hour."""
        return None if price_per_hour is None else self.billable_s * self.instance_count / 3600 * price_per_hour


def cost_of(description: Mapping[str, Any]) -> Cost | None:
    """Read DescribeTrainingJob's answer; None if it has no times yet."""
    if "BillableTimeInSeconds" not in description:
        return None
    resources = description.get("ResourceConfig", {})
    groups = resources.get("InstanceGroups") or [resources]
    return Cost(
        billable_s=description["BillableTimeInSeconds"],
        training_s=description.get("TrainingTimeInSeconds", description["BillableTimeInSeconds"]),
        instance_count=sum(group.get("InstanceCount", 1) for group in groups),
    )


def finished_job(
    session: "AnySession",
    name: str,
    show: Callable[[str], None] | None = None,
    *,
    accept_stopped: bool = False,
    poll_s: float = _POLL_S,
) -> Mapping[str, Any]:
    """Wait for a training job; return DescribeTrainingJob's answer.

    Args:
        session: A session.
        name: Name of the job.
        show: Called with each line of its log; None: the log is not read.
        accept_stopped: Accept a stopped job that left a model, since tuning jobs stop training jobs early.
        poll_s: Seconds between polls.

    Raises:
        RemoteJobError: The job failed or was stopped, or the wait was interrupted; the message says what to do.
        ServiceError: AWS refuses.
    """
    region = session.boto_region_name
    try:
        with told_when_interrupted(name, region):
            follower = LogFollower(session.boto_session, TRAINING_GROUP, name) if show else None
            while True:
                with explained(f"looking at the training job {name}"):
                    description: Mapping[str, Any] = session.sagemaker_client.describe_training_job(
                        TrainingJobName=name
                    )
                if follower and show:
                    for line in follower.new_lines():
                        show(line)
                if description["TrainingJobStatus"] in _ENDED:
                    break
                time.sleep(poll_s)
    except ServiceError as error:
        error.args = (
            f"{error}\nThe training job {name} may still be running, and costs money then: slipway logs {name} "
            f"--follow shows it, slipway stop {name} stops it",
        )
        raise
    left_model = description["TrainingJobStatus"] == "Stopped" and model_address(description) is not None
    if description["TrainingJobStatus"] != "Completed" and not (accept_stopped and left_model):
        raise RemoteJobError(failure_text(description, region))
    return description


@contextmanager
def told_when_interrupted(name: str, region: str) -> Iterator[None]:
    """Turn Ctrl-C in the body into the error that says that a training job still runs.

    Raises:
        RemoteJobError: The body was interrupted.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise RemoteJobError(
            f"stopped waiting; the training job {name} still runs and costs money: slipway logs {name} --follow shows "
            f"it, slipway stop {name} stops it. "
            f"{console_address('training job', name, region)}"
        ) from None


def model_address(description: Mapping[str, Any]) -> str | None:
    """Read the address of a job's model.tar.gz from DescribeTrainingJob's answer."""
    address: str | None = description.get("ModelArtifacts", {}).get("S3ModelArtifacts")
    return address


def failure_text(description: Mapping[str, Any], region: str) -> str:
    """Explain in one paragraph why a job failed or was stopped, beginning with its own reason."""
    name, status = description["TrainingJobName"], description["TrainingJobStatus"]
    reason = " ".join(str(description.get("FailureReason", "")).split())
    # SageMaker puts its own text before that of the failure file.
    reason = reason.removeprefix("AlgorithmError: ")
    what = f"the training job {name} {'failed' if status == 'Failed' else 'was stopped'}"
    if status == "Stopped" and (address := model_address(description)):
        what += f", and left a model at {address}"
    if missing := missing_permission(reason):
        reason += f"\nThe missing permission: {missing}"
    where = f"slipway logs {name} shows its log; {console_address('training job', name, region)}"
    return f"{what}: {reason}\n{where}" if reason else f"{what}\n{where}"
