"""What `debug=true` saves where no configuration says otherwise: in the image, and on SageMaker. No torch here.

Losses, labels and predictions whole; weights, biases, gradients and ReLUs' outputs as a few numbers each.
"""

from collections.abc import Mapping

REDUCTIONS = "min,max,mean,std,abs_max,abs_mean,l2_norm"
LARGEST_INTERVAL = 100
# About so many saves a job where its steps are known, but none more than LARGEST_INTERVAL steps after the one before.
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
    """Every so many steps of training, and every one of evaluation.

    Args:
        steps: Of the whole job, where they are known.
    """
    interval = LARGEST_INTERVAL if steps is None else min(LARGEST_INTERVAL, max(1, steps // SAVES))
    return {"train.save_interval": str(interval), "eval.save_interval": "1", "global.save_interval": str(interval)}
