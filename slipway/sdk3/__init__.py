"""The classes for version 3 of the SageMaker SDK: Slipway's, with the SDK's own objects as attributes."""

from slipway.installed_sdk import require_sdk

require_sdk("sdk3", __name__)
