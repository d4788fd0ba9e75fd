"""Version 3 of the SDK: local mode is that without an SDK."""

from slipway.local.session import local_session

__all__ = ["local_session"]
