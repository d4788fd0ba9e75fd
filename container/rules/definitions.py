"""The built-in rules: their names, parameters and defaults, and the tensors that they need.

Source: "List of Debugger Built-in Rules" in SageMaker's developer guide. SageMaker's code of the rules is not public;
the classes of the rules say how they fill the gaps in these definitions.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from container.contract.fields import declare

_COLLECTIONS = "Collections whose tensors are judged."
_TENSORS = "Regular expressions of further tensors."
_ANYWHERE = "Regular expressions of the losses, instead of the collection losses."


@dataclass(frozen=True, kw_only=True)
class PoorWeightInitializationParameters:
    activation_inputs_regex: tuple[str, ...] = declare((".*relu_input",), "Inputs of activations.", patterns=True)
    threshold: float = declare(10.0, "Largest ratio of the layers' variances in those inputs.", low=1)
    distribution_range: float = declare(0.001, "Smallest distance of a gradient's 5th and 95th percentile.", low=0)
    patience: int = declare(5, "A tenth of the number of losses within which the loss must fall.", low=1)
    steps: int = declare(10, "Number of first saved training steps that are judged.", low=1)


@dataclass(frozen=True, kw_only=True)
class VanishingGradientParameters:
    threshold: float = declare(1e-7, "Smallest mean of a gradient's absolute values.", low=0)


@dataclass(frozen=True, kw_only=True)
class ExplodingTensorParameters:
    collection_names: tuple[str, ...] | None = declare(None, f"{_COLLECTIONS} None: all tensors.")
    tensor_regex: tuple[str, ...] | None = declare(None, _TENSORS, patterns=True)
    only_nan: bool = declare(False, "Look for NaN only, not for infinity.")


@dataclass(frozen=True, kw_only=True)
class OverfitParameters:
    tensor_regex: tuple[str, ...] | None = declare(None, _ANYWHERE, patterns=True)
    start_step: int = declare(0, "First step of the trial whose losses are compared.", low=0)
    patience: int = declare(1, "Evaluations in a row that must be above the ratio.", low=1)
    ratio_threshold: float = declare(
        0.1, "Largest difference of the mean validation and training losses, relative to the training loss.", low=0
    )


@dataclass(frozen=True, kw_only=True)
class OvertrainingParameters:
    patience_train: int = declare(5, "Evaluations for which the training loss may fail to improve.", low=1)
    patience_validation: int = declare(10, "Evaluations for which the validation loss may fail to improve.", low=1)
    delta: float = declare(0.01, "Amount by which a loss must fall to count as improved.", low=0)


@dataclass(frozen=True, kw_only=True)
class LossNotDecreasingParameters:
    collection_names: tuple[str, ...] | None = declare(None, _COLLECTIONS)
    tensor_regex: tuple[str, ...] | None = declare(None, _TENSORS, patterns=True)
    use_losses_collection: bool = declare(True, "Judge the collection losses.")
    num_steps: int = declare(10, "Steps of a window; the means of windows are compared.", low=1)
    diff_percent: float = declare(0.1, "Per cent by which the loss must fall.", low=0, high=100)
    increase_threshold_percent: float = declare(5.0, "Per cent by which the loss may rise for a while.", low=0)
    mode: str | None = declare(
        None, "None: TRAIN, or GLOBAL in a trial without modes.", choices=("TRAIN", "EVAL", "GLOBAL")
    )


@dataclass(frozen=True, kw_only=True)
class ClassImbalanceParameters:
    threshold_imbalance: float = declare(10.0, "Largest ratio of the largest and the smallest class.", low=1)
    threshold_misprediction: float = declare(
        0.7, "Largest share of a class that may be predicted wrongly.", low=0, high=1
    )
    samples: int = declare(500, "Labels that must have been seen; at least 20 per class.", low=1)
    argmax: bool = declare(False, "The predictions are one score per class; always assumed if they are a matrix.")
    labels_regex: str = declare(".*labels", "Tensor of the labels.")
    predictions_regex: str = declare(".*predictions", "Tensor of the predictions.")


@dataclass(frozen=True, kw_only=True)
class DeadReluParameters:
    tensor_regex: tuple[str, ...] = declare((".*relu_output",), "Outputs of ReLUs.", patterns=True)
    threshold_inactivity: float = declare(1.0, "Per cent of a batch below which a ReLU is dead.", low=0, high=100)
    threshold_layer: float = declare(50.0, "Largest percentage of dead ReLUs in a layer.", low=0, high=100)


@dataclass(frozen=True, kw_only=True)
class AllZeroParameters:
    collection_names: tuple[str, ...] | None = declare(None, f"{_COLLECTIONS} With neither: weights, gradients.")
    tensor_regex: tuple[str, ...] | None = declare(None, _TENSORS, patterns=True)
    threshold: float = declare(100.0, "Per cent of the values that must be zero.", low=0, high=100)


@dataclass(frozen=True, kw_only=True)
class UnchangedTensorParameters:
    collection_names: tuple[str, ...] | None = declare(None, f"{_COLLECTIONS} With neither: weights.")
    tensor_regex: tuple[str, ...] | None = declare(None, _TENSORS, patterns=True)
    num_steps: int = declare(3, "Saved steps for which the tensor may not change.", low=2)
    rtol: float = declare(1e-5, "Relative tolerance of numpy.allclose.", low=0)
    atol: float = declare(1e-8, "Absolute tolerance of numpy.allclose.", low=0)
    equal_nan: bool = declare(False, "NaN equals NaN.")


@dataclass(frozen=True, kw_only=True)
class TensorVarianceParameters:
    collection_names: tuple[str, ...] | None = declare(None, f"{_COLLECTIONS} With neither: weights.")
    tensor_regex: tuple[str, ...] | None = declare(None, _TENSORS, patterns=True)
    max_threshold: float | None = declare(None, "Largest variance. With neither threshold: 10.", low=0)
    min_threshold: float | None = declare(None, "Smallest variance.", low=0)


@dataclass(frozen=True, kw_only=True)
class ConfusionParameters:
    category_no: int | None = declare(None, "Number of classes. None: that of labels and predictions.", low=2)
    labels: str = declare("labels", "Tensor of the labels.")
    predictions: str = declare("predictions", "Tensor of the predicted classes, or of one score per class.")
    labels_collection: str = declare("labels", "Collection of the labels, if there is no such tensor.")
    predictions_collection: str = declare("predictions", "Collection of the predictions, if there is no such tensor.")
    min_diag: float = declare(0.9, "Smallest share of a class's predictions that are right.", low=0, high=1)
    max_off_diag: float = declare(
        0.1, "Largest share of a class's predictions that belong to any one other class.", low=0, high=1
    )


@dataclass(frozen=True, kw_only=True)
class Definition:
    """The definition of a rule: when it fires, and the tensors that it reads."""

    fires: str
    reads: str
    parameters: type


RULES: Mapping[str, Definition] = {
    "PoorWeightInitialization": Definition(
        fires="in the first steps a gradient is zero throughout; or gradients are narrow or the layers' inputs of very "
        "different variance, and the loss does not fall thereafter",
        reads="gradients, losses, relu_input",
        parameters=PoorWeightInitializationParameters,
    ),
    "VanishingGradient": Definition(
        fires="the mean of a gradient's absolute values is below the threshold",
        reads="gradients",
        parameters=VanishingGradientParameters,
    ),
    "ExplodingTensor": Definition(
        fires="a tensor has values that are not finite", reads="any tensor", parameters=ExplodingTensorParameters
    ),
    "Overfit": Definition(
        fires="the validation loss is above the training loss by more than the ratio, and than chance explains",
        reads="losses in the modes TRAIN and EVAL",
        parameters=OverfitParameters,
    ),
    "Overtraining": Definition(
        fires="the training or the validation loss has not improved for long",
        reads="losses in the modes TRAIN and EVAL",
        parameters=OvertrainingParameters,
    ),
    "LossNotDecreasing": Definition(
        fires="the loss rises, or has not fallen for three windows of steps or more, by more than chance explains and "
        "while it is above a tenth of its first value",
        reads="losses",
        parameters=LossNotDecreasingParameters,
    ),
    "ClassImbalance": Definition(
        fires="classes differ much in size, or one is predicted wrongly while the others are not",
        reads="labels, predictions",
        parameters=ClassImbalanceParameters,
    ),
    "DeadRelu": Definition(
        fires="most ReLUs of a layer output zero for nearly the whole batch",
        reads="relu_output",
        parameters=DeadReluParameters,
    ),
    "AllZero": Definition(
        fires="the values of a tensor are zero", reads="weights, gradients", parameters=AllZeroParameters
    ),
    "UnchangedTensor": Definition(
        fires="a tensor stays the same for several saved steps of training",
        reads="weights",
        parameters=UnchangedTensorParameters,
    ),
    "TensorVariance": Definition(
        fires="the variance of a tensor is above or below a threshold",
        reads="weights",
        parameters=TensorVarianceParameters,
    ),
    "Confusion": Definition(
        fires="in the last evaluation, predictions of a class often belong to another",
        reads="labels, predictions",
        parameters=ConfusionParameters,
    ),
}
"""Every built-in rule, in the order in which results are shown."""
