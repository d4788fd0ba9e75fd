"""`slipway init`: a private bucket, an execution role and a slipway.toml."""

from slipway.init.plan import Plan, Wanted, make_plan
from slipway.init.settings_file import SettingsFile

__all__ = ["Plan", "SettingsFile", "Wanted", "make_plan"]
