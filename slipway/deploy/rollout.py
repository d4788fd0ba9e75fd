"""How traffic moves: between variants of an endpoint, and from an endpoint's old instances to its new ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

from slipway.aws.refusals import explained
from slipway.deploy.endpoint import require_endpoint
from slipway.errors import EndpointError, SettingError

if TYPE_CHECKING:
    from sagemaker.session import Session

_LARGEST_STEP = 50


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """A blue/green update: new instances are started beside the old ones, then traffic moves over.

    Raises:
        SettingError: A value is out of range, or there is no step for a kind that needs one.
    """

    kind: Literal["all-at-once", "canary", "linear"] = "all-at-once"
    percent: int | None = None
    """Of the capacity: what a canary gets first, or each step of a linear shift; up to 50."""
    wait_s: int = 300
    """After each step, before the next; 0 to 3600."""
    termination_wait_s: int = 0
    """How long the old instances are kept after the last step; 0 to 3600."""
    alarms: Sequence[str] = ()
    """Names of CloudWatch alarms; when one goes off meanwhile, everything goes back to the old instances."""

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
        """Read all-at-once, canary:PERCENT or linear:PERCENT.

        Raises:
            SettingError: It is something else.
        """
        kind, _, percent = text.partition(":")
        for known in ("all-at-once", "canary", "linear"):
            if kind == known and (percent.isdigit() or not percent):
                return cls(kind=known, percent=int(percent) if percent else None, alarms=alarms)
        raise SettingError(f"{text!r} is no kind of update; write all-at-once, canary:10 or linear:25")

    def configuration(self) -> dict[str, Any]:
        """As UpdateEndpoint's DeploymentConfig."""
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


def shift_traffic(session: "Session", endpoint: str, weights: Mapping[str, float]) -> None:
    """Change how much of an endpoint's traffic its variants get; the others keep their weights.

    Args:
        session: The SDK's.
        endpoint: Its name.
        weights: By variant; a variant gets its weight's share of the sum of all. 0: none.

    Raises:
        EndpointError: There is no such endpoint or variant.
        SettingError: A weight is negative.
        ServiceError: AWS refuses.
    """
    found = require_endpoint(session, endpoint)
    known = [variant["VariantName"] for variant in found.get("ProductionVariants", [])]
    for name, weight in weights.items():
        # A dry run knows of no variants.
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
