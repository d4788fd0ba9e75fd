"""The SageMaker SDK's session: on AWS, in a dry run, or in its local mode, which needs Docker and no account."""

import os
from typing import TYPE_CHECKING, Any

from slipway.aws.connection import Aws
from slipway.aws.dry_run import DryRun

if TYPE_CHECKING:
    from sagemaker.session import Session

LOCAL_INSTANCE_TYPES = ("local", "local_gpu")

LOCAL_ROLE = "arn:aws:iam::111122223333:role/not-used-in-local-mode"
"""The SDK asks for a role even where no AWS is involved."""

# The SDK makes an HTTP request to AWS for every call of its functions unless it is told not to. The defaults that it
# would read from files of its own are not read: ours are in slipway.toml.
_SDK_SETTINGS = {"SchemaVersion": "1.0", "SageMaker": {"PythonSDK": {"Modules": {"TelemetryOptOut": True}}}}
_LOCAL_REGION = "us-east-1"


def is_local(instance_type: str | None) -> bool:
    """Whether this is the SDK's local mode."""
    return instance_type in LOCAL_INSTANCE_TYPES


def aws_session(aws: Aws, dry_run: DryRun | None = None) -> "Session":
    """A session for AWS; with `dry_run`, one whose calls are recorded there and go nowhere.

    Args:
        aws: Where and as whom. No other client may be made of it before a dry run.
        dry_run: Where the requests are kept.
    """
    from sagemaker.session import Session

    if dry_run is not None:
        dry_run.attach(aws)
    return Session(boto_session=aws.boto_session(), sagemaker_config=_SDK_SETTINGS)


def local_session(**local: Any) -> "Session":
    """A session for the SDK's local mode: containers on this machine, through Docker Compose.

    Args:
        local: The SDK's settings of its local mode, such as serving_port or container_root.
    """
    import boto3
    from sagemaker.local.local_session import LocalSession

    # No credentials and no region are needed, and a profile that asks for a sign-in shall not be used.
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or _LOCAL_REGION
    session = LocalSession(boto_session=boto3.Session(region_name=region), sagemaker_config=_SDK_SETTINGS)
    session.config = {"local": {"local_code": True, **local}}
    return session


def session_for(
    instance_type: str | None,
    *,
    region: str | None = None,
    profile: str | None = None,
    dry_run: DryRun | None = None,
) -> "Session":
    """The session that belongs to an instance type.

    Raises:
        CredentialsError: There is no such profile.
        SettingError: No region is named anywhere, or there is no such region.
    """
    return local_session() if is_local(instance_type) else aws_session(Aws(region, profile), dry_run)
