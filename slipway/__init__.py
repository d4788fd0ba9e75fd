"""The host side: what runs on the user's machine. It never imports torch."""

import logging
import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from slipway.installed_sdk import installed_sdk

if TYPE_CHECKING:
    from slipway.batch_transform.transformer import Transformer
    from slipway.hosting.model import Model
    from slipway.hosting.multi_model import MultiModel
    from slipway.hosting.predictor import Predictor
    from slipway.inference.prediction import Prediction
    from slipway.local.session import local_session
    from slipway.requests.configurations import Asynchronous, Capture, Serverless
    from slipway.training.estimator import Estimator
    from slipway.tuning.tuner import Tuner
    from slipway.tuning.tuner_base import warm_start

# With version 2 of the SDK, the user need not be warned of it at every import, nor of the places in which it finds no
# settings.
os.environ.setdefault("SAGEMAKER_SUPPRESS_V2_WARNING", "1")
logging.getLogger("sagemaker.config").setLevel(logging.WARNING)

__all__ = [
    "Asynchronous",
    "Capture",
    "Estimator",
    "Model",
    "MultiModel",
    "Prediction",
    "Predictor",
    "Serverless",
    "Transformer",
    "Tuner",
    "local_session",
    "warm_start",
]
_MODULES = {
    "Asynchronous": "requests.configurations",
    "Capture": "requests.configurations",
    "Prediction": "inference.prediction",
    "Serverless": "requests.configurations",
    "warm_start": "tuning.tuner_base",
}
# What each SDK's package has a form of, and where it is without one.
_OF_SDKS = {
    "Estimator": "training.estimator",
    "Model": "hosting.model",
    "MultiModel": "hosting.multi_model",
    "Predictor": "hosting.predictor",
    "Transformer": "batch_transform.transformer",
    "Tuner": "tuning.tuner",
    "local_session": "local.session",
}


def __getattr__(name: str) -> Any:
    # Imported on first use: the SageMaker SDK takes seconds to import, and most commands do not need it.
    if name in _OF_SDKS:
        module = _OF_SDKS[name]
        sdk = installed_sdk()
        return getattr(
            import_module(f"slipway.{sdk}.{module.rpartition('.')[2]}" if sdk else f"slipway.{module}"), name
        )
    if name in _MODULES:
        return getattr(import_module(f"slipway.{_MODULES[name]}"), name)
    raise AttributeError(f"module 'slipway' has no attribute {name!r}")
