"""The host side: what runs on the user's machine. It never imports torch."""

import logging
import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from slipway.estimator import Estimator
    from slipway.model import Model
    from slipway.prediction import Prediction
    from slipway.predictor import Predictor
    from slipway.tuner import Tuner

# Version 2 of the SDK is a decision of ours (version 3 has no Estimator), and not the user's to be warned of at every
# import; nor are the places in which the SDK looks for settings that it does not find.
os.environ.setdefault("SAGEMAKER_SUPPRESS_V2_WARNING", "1")
logging.getLogger("sagemaker.config").setLevel(logging.WARNING)

__all__ = ["Estimator", "Model", "Prediction", "Predictor", "Tuner"]


def __getattr__(name: str) -> Any:
    # Only when they are asked for: the SageMaker SDK takes seconds to import, and most commands do without.
    if name in __all__:
        return getattr(import_module(f"slipway.{name.lower()}"), name)
    raise AttributeError(f"module 'slipway' has no attribute {name!r}")
