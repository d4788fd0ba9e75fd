"""Sessions of version 2 of the SDK."""

from typing import Any

from sagemaker.local.local_session import LocalSession
from sagemaker.session import Session

from slipway.aws.connection import Aws
from slipway.aws.session import SDK_SETTINGS, aws_session, is_local
from slipway.local.session import DockerSession
from slipway.settings.slipway_toml import Settings


def local_session(**local: Any) -> LocalSession:
    """Create a session of the SDK's for local mode, whose containers run as without an SDK.

    Args:
        local: Arguments of `slipway.local.session.DockerSession`, such as serving_port.
    """
    made = DockerSession(**local)
    session = LocalSession(boto_session=made.boto_session, sagemaker_config=SDK_SETTINGS)
    session.sagemaker_client = session.sagemaker_runtime_client = made.sagemaker_client
    session.config = made.config
    return session


def session_for(instance_type: str | None, region: str | None, profile: str | None) -> Session:
    """Create the session for an instance type: local mode's or AWS's.

    Raises:
        CredentialsError: There is no such profile.
        SettingError: No region is configured, or there is no such region.
    """
    return local_session() if is_local(instance_type) else aws_session(Aws(region, profile))


def new_session(region: str | None = None) -> Session:
    """Create a session for a region; None: that of Settings, AWS_REGION or the profile.

    Raises:
        CredentialsError, SettingError: As for `session_for`.
    """
    settings = Settings.read()
    return session_for(None, region or settings.region, settings.profile)
