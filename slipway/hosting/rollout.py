"""Traffic between an endpoint's variants, and blue/green rollouts of updates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

from slipway.aws.refusals import explained
from slipway.errors import EndpointError, SettingError
from slipway.hosting.endpoint import require_endpoint

if TYPE_CHECKING:
    from slipway.aws.session import AnySession

_LARGEST_STEP = 50


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """A blue/green update: new instances start beside the old ones, then traffic is shifted to them.

    Raises:
        SettingError: A value is out of range, or the step that the kind needs is missing.
    """

    kind: Literal["all-at-once", "canary", "linear"] = "all-at-once"
    percent: int | None = None
    """Percentage of the capacity for the canary, or for each step of a linear shift; up to 50."""
    wait_s: int = 300
    """Seconds to wait after each step; 0 to 3600."""
    termination_wait_s: int = 0
    """Seconds to keep the old instances after the last step; 0 to 3600."""
    alarms: Sequence[str] = ()
    """Names of CloudWatch alarms; if one goes off during the update, it is rolled back."""

    def __post_init__(self) -> None:
        if self.kind == "all-at-once":
            if self.percent is not None:
                raise SettingError("an update all at once has no steps; leave the percentage out")
        elif self.percent is None or not 1 <= self.percent <= _LARGEST_STEP:
            raise SettingError(f"a {self.kind} update needs a step of 1 to {_LARGEST_STEP} %, such as {self.kind}:10")
        for name, value in (("wait", self.wait_s), ("wait before termination", self.termination_wait_s)):
            if not 0 <= value <= 3600:
                raise SettingError(f"the {name} of an update is 0 to 3600 s, not {value}")

    @classmethod
    def parse(cls, text: str, *, alarms: Sequence[str] = ()) -> Self:
        """Parse all-at-once, canary:PERCENT or linear:PERCENT.

        Raises:
            SettingError: The text has another form.
        """
        kind, _, percent = text.partition(":")
        for known in ("all-at-once", "canary", "linear"):
            if kind == known and (percent.isdigit() or not percent):
                return cls(kind=known, percent=int(percent) if percent else None, alarms=alarms)
        raise SettingError(f"{text!r} is not a kind of update; write all-at-once, canary:10 or linear:25")

    def configuration(self) -> dict[str, Any]:
        """Build the DeploymentConfig of UpdateEndpoint."""
        routing: dict[str, Any] = {
            "Type": self.kind.replace("-", "_").upper(),
            "WaitIntervalInSeconds": self.wait_s,
        }
        if self.percent is not None:
            member = "CanarySize" if self.kind == "canary" else "LinearStepSize"
            routing[member] = {"Type": "CAPACITY_PERCENT", "Value": self.percent}
        found: dict[str, Any] = {
            "BlueGreenUpdatePolicy": {
                "TrafficRoutingConfiguration": routing,
                "TerminationWaitInSeconds": self.termination_wait_s,
            }
        }
        if self.alarms:
            found["AutoRollbackConfiguration"] = {"Alarms": [{"AlarmName": name} for name in self.alarms]}
        return found


def shift_traffic(session: "AnySession", endpoint: str, weights: Mapping[str, float]) -> None:
    """Change the weights of an endpoint's variants; variants that are not named keep theirs.

    Args:
        session: Credentials and region.
        endpoint: Name of the endpoint.
        weights: Weight by variant; a variant's share of the traffic is its part of the sum of all weights.

    Raises:
        EndpointError: There is no such endpoint or variant.
        SettingError: A weight is negative.
        ServiceError: AWS refuses.
    """
    found = require_endpoint(session, endpoint)
    known = [variant["VariantName"] for variant in found.get("ProductionVariants", [])]
    for name, weight in weights.items():
        # A dry run's answer has no variants.
        if known and name not in known:
            raise EndpointError(f"the endpoint {endpoint} has no variant {name}; it has {', '.join(known)}")
        if weight < 0:
            raise SettingError(f"the weight of {name} is {weight:g}; it is 0 or more")
    with explained(f"shifting the traffic of {endpoint}"):
        session.sagemaker_client.update_endpoint_weights_and_capacities(
            EndpointName=endpoint,
            DesiredWeightsAndCapacities=[
                {"VariantName": name, "DesiredWeight": float(weight)} for name, weight in weights.items()
            ],
        )
