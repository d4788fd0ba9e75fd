"""The classes for version 2 of the SageMaker SDK: subclasses of its own, with Slipway's definitions and checks."""

from slipway.installed_sdk import require_sdk

require_sdk("sdk2", __name__)
