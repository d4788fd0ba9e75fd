"""The host side: what runs on the user's machine. It never imports torch."""

import logging
import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from slipway.deploy.model import Model
    from slipway.deploy.predictor import Predictor
    from slipway.estimator import Estimator
    from slipway.prediction import Prediction
    from slipway.tuner import Tuner

# Version 2 of the SDK is Slipway's choice (version 3 has no Estimator), so the user need not be warned of it at every
# import, nor of the places in which the SDK finds no settings.
os.environ.setdefault("SAGEMAKER_SUPPRESS_V2_WARNING", "1")
logging.getLogger("sagemaker.config").setLevel(logging.WARNING)

__all__ = ["Estimator", "Model", "Prediction", "Predictor", "Tuner"]
_MODULES = {
    "Estimator": "estimator",
    "Model": "deploy.model",
    "Prediction": "prediction",
    "Predictor": "deploy.predictor",
    "Tuner": "tuner",
}


def __getattr__(name: str) -> Any:
    # Imported on first use: the SageMaker SDK takes seconds to import, and most commands do not need it.
    if name in _MODULES:
        return getattr(import_module(f"slipway.{_MODULES[name]}"), name)
    raise AttributeError(f"module 'slipway' has no attribute {name!r}")
