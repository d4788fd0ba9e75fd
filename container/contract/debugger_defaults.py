"""The defaults of `debug=true`, in the image and on SageMaker, where no configuration says otherwise. No torch here.

Losses, labels and predictions are saved whole; weights, biases, gradients and ReLU outputs as a few numbers each.
"""

from collections.abc import Mapping

REDUCTIONS = "min,max,mean,std,abs_max,abs_mean,l2_norm"
LARGEST_INTERVAL = 100
# About this many saves in a job whose number of steps is known, at most LARGEST_INTERVAL steps apart.
SAVES = 50

WHOLE: Mapping[str, Mapping[str, str]] = {
    "losses": {},
    "labels": {"include_regex": "^labels$"},
    "predictions": {"include_regex": "^(predictions|predicted_classes)$"},
}
REDUCED: Mapping[str, Mapping[str, str]] = {
    "weights": {"reductions": REDUCTIONS},
    "biases": {"reductions": REDUCTIONS},
    "gradients": {"reductions": REDUCTIONS},
    "relu_output": {"include_regex": "relu.*_output", "reductions": REDUCTIONS},
}


def hook_parameters(steps: int | None = None) -> dict[str, str]:
    """Return the hook parameters: save at an interval in training, and every step of evaluation.

    Args:
        steps: Steps of the whole job, if known.
    """
    interval = LARGEST_INTERVAL if steps is None else min(LARGEST_INTERVAL, max(1, steps // SAVES))
    return {"train.save_interval": str(interval), "eval.save_interval": "1", "global.save_interval": str(interval)}
