"""Version 3 of the SDK: multi-model endpoints."""

from slipway.hosting import multi_model
from slipway.sdk3.model import Model


class MultiModel(multi_model.MultiModel, Model):
    """The models below one S3 prefix; see `slipway.hosting.multi_model`."""
