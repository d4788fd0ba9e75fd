"""Sessions for AWS, for a dry run, or for local mode, which needs Docker and no account."""

import json
import os
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, Protocol

from slipway.aws.connection import Aws
from slipway.aws.dry_run import DryRun

if TYPE_CHECKING:
    import boto3
    from sagemaker.session import Session

LOCAL_INSTANCE_TYPES = ("local", "local_gpu")

LOCAL_ROLE = "arn:aws:iam::111122223333:role/not-used-in-local-mode"
"""Placeholder role for local mode, where the SDK requires one although AWS is not involved."""

# By default, the SDK reports every call of its functions to AWS over HTTP. Its own files of defaults are not read:
# Slipway's are in slipway.toml.
SDK_SETTINGS = {"SchemaVersion": "1.0", "SageMaker": {"PythonSDK": {"Modules": {"TelemetryOptOut": True}}}}
_LOCAL_REGION = "us-east-1"


class AnySession(Protocol):
    """What the host side needs of a session: an `AwsSession`, or one of version 2 of the SDK."""

    local_mode: bool

    @property
    def boto_session(self) -> "boto3.Session": ...
    @property
    def boto_region_name(self) -> str: ...
    @property
    def sagemaker_client(self) -> Any: ...
    @property
    def sagemaker_runtime_client(self) -> Any: ...


class AwsSession:
    """A session for AWS that needs no SDK.

    Args:
        aws: Credentials and region. Clients created from it earlier escape the dry run.
        dry_run: Records the requests, which are not sent then.
    """

    local_mode = False

    def __init__(self, aws: Aws, dry_run: DryRun | None = None) -> None:
        if dry_run is not None:
            dry_run.attach(aws)
        self._aws = aws
        self._dry_run = dry_run
        self.boto_region_name = aws.region

    def answers(self, operation: str) -> bool:
        """Whether a dry run makes up the answers to this operation, which tell nothing then."""
        run = self._dry_run
        return run is not None and operation not in run.passing and operation not in run.answers

    @cached_property
    def boto_session(self) -> "boto3.Session":
        """The same credentials and region as a boto3 session."""
        return self._aws.boto_session()

    @cached_property
    def sagemaker_client(self) -> Any:
        """The client of SageMaker."""
        return self._aws.client("sagemaker")

    @cached_property
    def sagemaker_runtime_client(self) -> Any:
        """The client of SageMaker's endpoints."""
        return self._aws.client("sagemaker-runtime")


def local_region() -> str:
    """The region of local mode, for programs that ask for one."""
    return os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or _LOCAL_REGION


def answered_here(session: AnySession, operation: str) -> bool:
    """Whether a dry run makes up the answers to this operation; a session of the SDK does not say."""
    return isinstance(session, AwsSession) and session.answers(operation)


def is_local(instance_type: str | None) -> bool:
    """Whether an instance type means the SDK's local mode."""
    return instance_type in LOCAL_INSTANCE_TYPES


def aws_session(aws: Aws, dry_run: DryRun | None = None) -> "Session":
    """Create a session for AWS; with `dry_run`, one whose calls are recorded there and not sent.

    Args:
        aws: Credentials and region. Clients created from it earlier escape the dry run.
        dry_run: Records the requests.
    """
    from sagemaker.session import Session

    _check_settings_once()
    if dry_run is not None:
        dry_run.attach(aws)
    return Session(boto_session=aws.boto_session(), sagemaker_config=SDK_SETTINGS)


@cache
def _check_settings_once() -> None:
    """Make the SDK validate its settings once instead of at every lookup, which costs a command about a second.

    Most of that time goes into checking the SDK's own schema each time.
    """
    from sagemaker import utils

    check = utils.validate_sagemaker_config
    known: set[str] = set()

    def check_new(settings: dict[str, Any] | None = None) -> None:
        text = json.dumps(settings, sort_keys=True, default=repr)
        if text not in known:
            check(settings)
            known.add(text)

    utils.validate_sagemaker_config = check_new
