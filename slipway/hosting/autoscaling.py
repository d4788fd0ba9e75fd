"""Autoscaling of endpoints by target tracking; an asynchronous endpoint can scale to zero."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from slipway.aws.refusals import explained
from slipway.errors import ServiceError, SettingError

if TYPE_CHECKING:
    from slipway.aws.session import AnySession

_NAMESPACE = "sagemaker"
_DIMENSION = "sagemaker:variant:DesiredInstanceCount"
_TARGET_POLICY = "slipway-target"
_WAKE_POLICY = "slipway-wake"


@dataclass(frozen=True, kw_only=True)
class Autoscaling:
    """The range of an endpoint's number of instances, and the target load.

    Raises:
        SettingError: A value is out of range, or the minimum exceeds the maximum.
    """

    min_instances: int
    """Least number of instances; 0 only for asynchronous endpoints, which the first waiting request wakes up."""
    max_instances: int
    invocations_per_minute: float = 600
    """Target load of one instance; measure what yours can serve (docs/deploying.md). Real-time only."""
    backlog_per_instance: float = 5
    """Target number of queued requests per instance. Asynchronous only."""
    scale_in_cooldown_s: int = 300
    scale_out_cooldown_s: int = 60

    def __post_init__(self) -> None:
        if not 0 <= self.min_instances <= self.max_instances or self.max_instances < 1:
            raise SettingError(
                f"{self.min_instances}:{self.max_instances} is not a range of instances; write minimum and maximum, "
                "such as 1:4"
            )
        for name, value in (
            ("invocations per minute", self.invocations_per_minute),
            ("backlog", self.backlog_per_instance),
        ):
            if value <= 0:
                raise SettingError(f"the {name} of an instance must be more than 0, not {value:g}")

    @classmethod
    def parse(cls, text: str, **others: Any) -> Self:
        """Parse MIN:MAX.

        Raises:
            SettingError: The text has another form.
        """
        low, _, high = text.partition(":")
        if not (low.isdigit() and high.isdigit()):
            raise SettingError(f"{text!r} is not a range of instances; write minimum and maximum, such as 1:4")
        return cls(min_instances=int(low), max_instances=int(high), **others)


def check_scaling(scaling: Autoscaling, *, asynchronous: bool, serverless: bool, wait: bool) -> None:
    """Raise a SettingError if an endpoint of this kind cannot scale so, or its deployment is not waited for."""
    if not wait:
        raise SettingError("only an endpoint in service can be scaled; wait for it, or leave the autoscaling out")
    if serverless:
        raise SettingError("a serverless endpoint scales by itself; leave the autoscaling out")
    if scaling.min_instances == 0 and not asynchronous:
        raise SettingError("only an asynchronous endpoint can scale to 0 instances; a real-time one needs at least 1")


def apply_scaling(
    session: "AnySession", endpoint: str, scaling: Autoscaling, *, variants: Sequence[str], asynchronous: bool
) -> None:
    """Scale the variants of an endpoint that is in service.

    Raises:
        ServiceError: AWS refuses.
    """
    client = session.boto_session.client("application-autoscaling")
    for variant in variants:
        target = _target(endpoint, variant)
        with explained(f"registering the scaling of {endpoint}"):
            client.register_scalable_target(
                **target, MinCapacity=scaling.min_instances, MaxCapacity=scaling.max_instances
            )
            client.put_scaling_policy(
                **target,
                PolicyName=_TARGET_POLICY,
                PolicyType="TargetTrackingScaling",
                TargetTrackingScalingPolicyConfiguration={
                    **(_backlog_metric(endpoint, scaling) if asynchronous else _invocations_metric(scaling)),
                    "ScaleInCooldown": scaling.scale_in_cooldown_s,
                    "ScaleOutCooldown": scaling.scale_out_cooldown_s,
                },
            )
        if scaling.min_instances == 0:
            _wake_from_zero(session, endpoint, target, scaling)


def _target(endpoint: str, variant: str) -> dict[str, str]:
    return {
        "ServiceNamespace": _NAMESPACE,
        "ResourceId": f"endpoint/{endpoint}/variant/{variant}",
        "ScalableDimension": _DIMENSION,
    }


def _invocations_metric(scaling: Autoscaling) -> dict[str, Any]:
    return {
        "TargetValue": float(scaling.invocations_per_minute),
        "PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"},
    }


def _backlog_metric(endpoint: str, scaling: Autoscaling) -> dict[str, Any]:
    return {
        "TargetValue": float(scaling.backlog_per_instance),
        "CustomizedMetricSpecification": {
            "MetricName": "ApproximateBacklogSizePerInstance",
            "Namespace": "AWS/SageMaker",
            "Dimensions": [{"Name": "EndpointName", "Value": endpoint}],
            "Statistic": "Average",
        },
    }


def _wake_from_zero(session: "AnySession", endpoint: str, target: dict[str, str], scaling: Autoscaling) -> None:
    # The backlog per instance is undefined at zero instances, so a separate alarm adds the first one.
    with explained(f"registering the wake-up of {endpoint}"):
        policy = session.boto_session.client("application-autoscaling").put_scaling_policy(
            **target,
            PolicyName=_WAKE_POLICY,
            PolicyType="StepScaling",
            StepScalingPolicyConfiguration={
                "AdjustmentType": "ChangeInCapacity",
                "MetricAggregationType": "Average",
                "Cooldown": scaling.scale_in_cooldown_s,
                "StepAdjustments": [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}],
            },
        )
        session.boto_session.client("cloudwatch").put_metric_alarm(
            AlarmName=_alarm_name(endpoint),
            MetricName="HasBacklogWithoutCapacity",
            Namespace="AWS/SageMaker",
            Dimensions=[{"Name": "EndpointName", "Value": endpoint}],
            Statistic="Average",
            Period=60,
            EvaluationPeriods=2,
            DatapointsToAlarm=2,
            Threshold=1,
            ComparisonOperator="GreaterThanOrEqualToThreshold",
            TreatMissingData="missing",
            AlarmActions=[policy["PolicyARN"]],
        )


def _alarm_name(endpoint: str) -> str:
    return f"slipway-wake-{endpoint}"


def remove_scaling(session: "AnySession", endpoint: str, variants: Sequence[str]) -> list[str]:
    """Remove what `apply_scaling` created, if anything; return its description.

    Without permission to look for autoscaling, nothing is removed, so that the endpoint can still be deleted.
    """
    removed: list[str] = []
    if not variants:  # an empty list would mean every endpoint there is
        return removed
    client = session.boto_session.client("application-autoscaling")
    try:
        with explained(f"removing the scaling of {endpoint}"):
            found = client.describe_scalable_targets(
                ServiceNamespace=_NAMESPACE, ResourceIds=[_target(endpoint, name)["ResourceId"] for name in variants]
            ).get("ScalableTargets", [])
            for target in found:
                client.deregister_scalable_target(
                    **{name: target[name] for name in ("ServiceNamespace", "ResourceId", "ScalableDimension")}
                )
                removed.append(f"scaling of {target['ResourceId']}")
            if any(target["MinCapacity"] == 0 for target in found):
                session.boto_session.client("cloudwatch").delete_alarms(AlarmNames=[_alarm_name(endpoint)])
                removed.append(f"alarm {_alarm_name(endpoint)}")
    except ServiceError:
        return removed
    return removed
