"""Sessions of version 2 of the SDK."""

from sagemaker.session import Session

from slipway.aws.connection import Aws
from slipway.aws.session import aws_session, local_session
from slipway.settings.slipway_toml import Settings

__all__ = ["local_session", "new_session"]


def new_session(region: str | None = None) -> Session:
    """Create a session for a region; None: that of Settings, AWS_REGION or the profile.

    Raises:
        CredentialsError: There is no such profile.
        SettingError: No region is configured, or there is no such region.
    """
    settings = Settings.read()
    return aws_session(Aws(region or settings.region, settings.profile))
