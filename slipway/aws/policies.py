"""The IAM policies that Slipway works with, which `slipway init` sets up and `slipway doctor` checks.

docs/iam.md shows them with placeholders for the account, the region and so on; a test compares the two.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from slipway.aws.permissions import REPOSITORY_ACTIONS

Policy = Mapping[str, Any]
"""A policy document, as json.dumps takes it."""

_VERSION = "2012-10-17"

SETUP_ACTIONS = (
    "s3:CreateBucket",
    "s3:PutBucketPublicAccessBlock",
    "s3:PutEncryptionConfiguration",
    "iam:GetRole",
    "iam:CreateRole",
    "iam:ListRolePolicies",
    "iam:ListAttachedRolePolicies",
    "iam:GetRolePolicy",
    "iam:PutRolePolicy",
)
"""What `slipway init` needs beside the user's policy."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """What the policies are about: account, region, bucket, repository and role."""

    account: str
    region: str
    bucket: str
    repository: str = "slipway"
    role: str = "slipway-execution"
    """Name of the execution role, without a path."""
    partition: str = "aws"

    def arn(self, service: str, resource: str) -> str:
        """Build the ARN of a regional resource."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"

    @property
    def role_arn(self) -> str:
        """ARN of the execution role."""
        return f"arn:{self.partition}:iam::{self.account}:role/{self.role}"

    @property
    def bucket_arn(self) -> str:
        """ARN of the bucket."""
        return f"arn:{self.partition}:s3:::{self.bucket}"

    @property
    def repository_arn(self) -> str:
        """ARN of the repository in ECR."""
        return self.arn("ecr", f"repository/{self.repository}")

    @property
    def logs_arn(self) -> str:
        """ARN of all log groups of SageMaker's."""
        return self.arn("logs", "log-group:/aws/sagemaker/*")


def trust_policy(account: str) -> Policy:
    """Who may assume the execution role: SageMaker, and only for this account."""
    return _document(
        {
            "Effect": "Allow",
            "Principal": {"Service": "sagemaker.amazonaws.com"},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"aws:SourceAccount": account}},
        }
    )


def execution_policy(place: Place) -> Policy:
    """What the execution role may do: read and write one bucket, pull from one repository, write logs and metrics."""
    metrics = _allow("Metrics", "cloudwatch:PutMetricData", "*")
    metrics["Condition"] = {"StringLike": {"cloudwatch:namespace": ["/aws/sagemaker/*", "AWS/SageMaker"]}}
    objects = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]
    pull = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    logs = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
    return _document(
        _allow("Bucket", ["s3:ListBucket", "s3:GetBucketLocation"], place.bucket_arn),
        _allow("Objects", objects, f"{place.bucket_arn}/*"),
        _allow("RegistryToken", "ecr:GetAuthorizationToken", "*"),
        _allow("Images", pull, place.repository_arn),
        _allow("Logs", logs, place.logs_arn),
        metrics,
    )


_EVERYWHERE = [
    "sts:GetCallerIdentity",
    "ecr:GetAuthorizationToken",
    "sagemaker:ListTrainingJobs",
    "sagemaker:ListHyperParameterTuningJobs",
    "sagemaker:ListTransformJobs",
    "sagemaker:ListProcessingJobs",
    "sagemaker:ListModels",
    "sagemaker:ListEndpointConfigs",
    "sagemaker:ListEndpoints",
    "logs:DescribeLogGroups",
    "application-autoscaling:DescribeScalableTargets",
    "cloudwatch:DescribeAlarms",
]
_SAGEMAKER = [
    "sagemaker:AddTags",
    "sagemaker:ListTags",
    "sagemaker:CreateTrainingJob",
    "sagemaker:DescribeTrainingJob",
    "sagemaker:CreateHyperParameterTuningJob",
    "sagemaker:DescribeHyperParameterTuningJob",
    "sagemaker:ListTrainingJobsForHyperParameterTuningJob",
    "sagemaker:CreateTransformJob",
    "sagemaker:DescribeTransformJob",
    "sagemaker:CreateProcessingJob",
    "sagemaker:DescribeProcessingJob",
    "sagemaker:CreateModel",
    "sagemaker:DescribeModel",
    "sagemaker:CreateEndpointConfig",
    "sagemaker:DescribeEndpointConfig",
    "sagemaker:CreateEndpoint",
    "sagemaker:DescribeEndpoint",
    "sagemaker:UpdateEndpoint",
    "sagemaker:UpdateEndpointWeightsAndCapacities",
    "sagemaker:InvokeEndpoint",
    "sagemaker:InvokeEndpointAsync",
]
_SCALING = [
    "application-autoscaling:RegisterScalableTarget",
    "application-autoscaling:DeregisterScalableTarget",
    "application-autoscaling:PutScalingPolicy",
    "cloudwatch:PutMetricAlarm",
    "cloudwatch:DeleteAlarms",
]
_CLEAN = [
    "sagemaker:StopTrainingJob",
    "sagemaker:StopHyperParameterTuningJob",
    "sagemaker:StopTransformJob",
    "sagemaker:StopProcessingJob",
    "sagemaker:DeleteEndpoint",
    "sagemaker:DeleteEndpointConfig",
    "sagemaker:DeleteModel",
    "logs:DeleteLogGroup",
    "logs:DeleteLogStream",
    "s3:DeleteObject",
]


def user_policy(place: Place) -> Policy:
    """What whoever calls `slipway` may do; some statements are optional, as docs/iam.md says."""
    everything = place.arn("sagemaker", "*")
    passed = _allow("Role", "iam:PassRole", place.role_arn)
    passed["Condition"] = {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}
    scaler = "sagemaker.application-autoscaling.amazonaws.com"
    scaling_role = _allow(
        "ScalingRole",
        "iam:CreateServiceLinkedRole",
        f"arn:{place.partition}:iam::{place.account}:role/aws-service-role/{scaler}/*",
    )
    scaling_role["Condition"] = {"StringEquals": {"iam:AWSServiceName": scaler}}
    return _document(
        _allow("Everywhere", _EVERYWHERE, "*"),
        _allow("SageMaker", _SAGEMAKER, everything),
        passed,
        _allow("Bucket", "s3:ListBucket", place.bucket_arn),
        _allow("Objects", ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"], f"{place.bucket_arn}/*"),
        _allow("Image", "ecr:DescribeImages", place.repository_arn),
        _allow("ReadLogs", ["logs:DescribeLogStreams", "logs:GetLogEvents"], place.logs_arn),
        _allow("Scaling", _SCALING, "*"),
        scaling_role,
        _allow("Clean", _CLEAN, [everything, place.logs_arn, f"{place.bucket_arn}/jobs/*"]),
        _allow("Push", list(REPOSITORY_ACTIONS), place.repository_arn),
        _allow("DoctorRole", ["iam:GetRole", "iam:SimulatePrincipalPolicy"], place.role_arn),
        _allow("DoctorQuotas", "servicequotas:ListServiceQuotas", "*"),
    )


def granted(policy: Policy) -> Iterator[tuple[tuple[str, ...], tuple[str, ...], Mapping[str, Any]]]:
    """Yield each statement of a policy of these: its actions, its resources, its condition."""
    for statement in policy["Statement"]:
        yield _several(statement["Action"]), _several(statement["Resource"]), statement.get("Condition", {})


def _several(value: str | Sequence[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _allow(name: str, actions: str | list[str], resources: str | list[str]) -> dict[str, Any]:
    return {"Sid": name, "Effect": "Allow", "Action": actions, "Resource": resources}


def _document(*statements: Mapping[str, Any]) -> Policy:
    return {"Version": _VERSION, "Statement": list(statements)}
