"""Version 2 of the SDK: multi-model endpoints."""

from slipway.hosting import multi_model
from slipway.sdk2.model import Model


class MultiModel(multi_model.MultiModel, Model):
    """The SDK's Model for the models below one S3 prefix; see `slipway.hosting.multi_model`."""
