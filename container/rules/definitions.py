"""The built-in rules: their names, parameters and defaults, and what a trial must hold for them.

Source: "List of Debugger Built-in Rules" in SageMaker's developer guide. SageMaker's code of the rules is not public;
`RULES` says where the definitions leave something open and what is done here.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from container.rules.parameters import parameter

_COLLECTIONS = "Collections whose tensors are looked at."
_TENSORS = "Regular expressions of further tensors."
_ANYWHERE = "Regular expressions of the losses, in place of the collection losses."


@dataclass(frozen=True, kw_only=True)
class PoorWeightInitializationParameters:
    activation_inputs_regex: tuple[str, ...] = parameter((".*relu_input",), "Inputs of activations.", patterns=True)
    threshold: float = parameter(10.0, "Largest ratio of the layers' variances of those inputs.", low=1)
    distribution_range: float = parameter(0.001, "Least distance of a gradient's 5th and 95th percentile.", low=0)
    patience: int = parameter(5, "Saved steps of which the first and the last so many losses are compared.", low=1)
    steps: int = parameter(10, "Saved steps of training that are looked at, the first.", low=1)


@dataclass(frozen=True, kw_only=True)
class VanishingGradientParameters:
    threshold: float = parameter(1e-7, "Least mean of a gradient's absolute values.", low=0)


@dataclass(frozen=True, kw_only=True)
class ExplodingTensorParameters:
    collection_names: tuple[str, ...] | None = parameter(None, f"{_COLLECTIONS} None: all tensors.")
    tensor_regex: tuple[str, ...] | None = parameter(None, _TENSORS, patterns=True)
    only_nan: bool = parameter(False, "Look for NaN only, and let infinity pass.")


@dataclass(frozen=True, kw_only=True)
class OverfitParameters:
    tensor_regex: tuple[str, ...] | None = parameter(None, _ANYWHERE, patterns=True)
    start_step: int = parameter(0, "Step of the trial from which losses are compared.", low=0)
    patience: int = parameter(1, "Evaluations in a row that must be above the ratio.", low=1)
    ratio_threshold: float = parameter(
        0.1, "Largest difference of the mean validation and the mean training loss, by the training loss.", low=0
    )


@dataclass(frozen=True, kw_only=True)
class OvertrainingParameters:
    patience_train: int = parameter(5, "Evaluations through which the training loss may fail to improve.", low=1)
    patience_validation: int = parameter(10, "Evaluations through which the validation loss may.", low=1)
    delta: float = parameter(0.01, "By how much a loss must fall to have improved.", low=0)


@dataclass(frozen=True, kw_only=True)
class LossNotDecreasingParameters:
    collection_names: tuple[str, ...] | None = parameter(None, _COLLECTIONS)
    tensor_regex: tuple[str, ...] | None = parameter(None, _TENSORS, patterns=True)
    use_losses_collection: bool = parameter(True, "Look at the collection losses.")
    num_steps: int = parameter(10, "Steps of a stretch; the means of stretches are compared.", low=1)
    diff_percent: float = parameter(0.1, "Per cent by which the loss must fall.", low=0, high=100)
    increase_threshold_percent: float = parameter(5.0, "Per cent by which it may rise for a while.", low=0)
    mode: str | None = parameter(
        None, "None: TRAIN, or GLOBAL in a trial without modes.", choices=("TRAIN", "EVAL", "GLOBAL")
    )


@dataclass(frozen=True, kw_only=True)
class ClassImbalanceParameters:
    threshold_imbalance: float = parameter(10.0, "Largest ratio of the largest and the smallest class.", low=1)
    threshold_misprediction: float = parameter(
        0.7, "Largest share of a class that is predicted wrongly.", low=0, high=1
    )
    samples: int = parameter(500, "Labels that must have been seen; 20 for each class at least.", low=1)
    argmax: bool = parameter(False, "The predictions are one value for each class; so taken where they are a matrix.")
    labels_regex: str = parameter(".*labels", "Tensor of the labels.")
    predictions_regex: str = parameter(".*predictions", "Tensor of the predictions.")


@dataclass(frozen=True, kw_only=True)
class DeadReluParameters:
    tensor_regex: tuple[str, ...] = parameter((".*relu_output",), "Outputs of ReLUs.", patterns=True)
    threshold_inactivity: float = parameter(1.0, "Per cent of a batch below which a ReLU is dead.", low=0, high=100)
    threshold_layer: float = parameter(50.0, "Largest percentage of dead ReLUs in a layer.", low=0, high=100)


@dataclass(frozen=True, kw_only=True)
class AllZeroParameters:
    collection_names: tuple[str, ...] | None = parameter(None, f"{_COLLECTIONS} With neither: weights, gradients.")
    tensor_regex: tuple[str, ...] | None = parameter(None, _TENSORS, patterns=True)
    threshold: float = parameter(100.0, "Per cent of the values that must be zero.", low=0, high=100)


@dataclass(frozen=True, kw_only=True)
class UnchangedTensorParameters:
    collection_names: tuple[str, ...] | None = parameter(None, f"{_COLLECTIONS} With neither: weights.")
    tensor_regex: tuple[str, ...] | None = parameter(None, _TENSORS, patterns=True)
    num_steps: int = parameter(3, "Saved steps through which the tensor is the same.", low=2)
    rtol: float = parameter(1e-5, "Relative tolerance of numpy.allclose.", low=0)
    atol: float = parameter(1e-8, "Absolute tolerance of numpy.allclose.", low=0)
    equal_nan: bool = parameter(False, "NaN equals NaN.")


@dataclass(frozen=True, kw_only=True)
class TensorVarianceParameters:
    collection_names: tuple[str, ...] | None = parameter(None, f"{_COLLECTIONS} With neither: weights.")
    tensor_regex: tuple[str, ...] | None = parameter(None, _TENSORS, patterns=True)
    max_threshold: float | None = parameter(None, "Largest variance. With neither threshold: 10.", low=0)
    min_threshold: float | None = parameter(None, "Least variance.", low=0)


@dataclass(frozen=True, kw_only=True)
class ConfusionParameters:
    category_no: int | None = parameter(None, "Number of classes. None: what labels and predictions have.", low=2)
    labels: str = parameter("labels", "Tensor of the labels.")
    predictions: str = parameter("predictions", "Tensor of the predicted classes, or of one value for each class.")
    labels_collection: str = parameter("labels", "Collection of the labels, where there is no such tensor.")
    predictions_collection: str = parameter("predictions", "Collection of the predictions, likewise.")
    min_diag: float = parameter(0.9, "Least share of what is predicted as a class that is of it.", low=0, high=1)
    max_off_diag: float = parameter(0.1, "Largest share of it that is of any one other class.", low=0, high=1)


@dataclass(frozen=True, kw_only=True)
class Definition:
    """A rule by name: when it fires, and what it reads."""

    fires: str
    reads: str
    parameters: type


RULES: Mapping[str, Definition] = {
    "PoorWeightInitialization": Definition(
        fires="in the first steps a gradient is zero throughout; or the loss does not fall, and gradients are narrow "
        "or the layers' inputs of very different variance",
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
        fires="the validation loss is above the training loss by more than the ratio",
        reads="losses in the modes TRAIN and EVAL",
        parameters=OverfitParameters,
    ),
    "Overtraining": Definition(
        fires="the training or the validation loss has not improved for long",
        reads="losses in the modes TRAIN and EVAL",
        parameters=OvertrainingParameters,
    ),
    "LossNotDecreasing": Definition(
        fires="the loss rises, or has not fallen through three stretches of steps, while it is above a tenth of what "
        "it was at first",
        reads="losses",
        parameters=LossNotDecreasingParameters,
    ),
    "ClassImbalance": Definition(
        fires="classes differ much in size, or one is predicted wrongly where the others are not",
        reads="labels, predictions",
        parameters=ClassImbalanceParameters,
    ),
    "DeadRelu": Definition(
        fires="most ReLUs of a layer put out zero for nearly the whole batch",
        reads="relu_output",
        parameters=DeadReluParameters,
    ),
    "AllZero": Definition(
        fires="the values of a tensor are zero", reads="weights, gradients", parameters=AllZeroParameters
    ),
    "UnchangedTensor": Definition(
        fires="a tensor is the same through several saved steps of training",
        reads="weights",
        parameters=UnchangedTensorParameters,
    ),
    "TensorVariance": Definition(
        fires="the variance of a tensor is above or below a threshold",
        reads="weights",
        parameters=TensorVarianceParameters,
    ),
    "Confusion": Definition(
        fires="in the last evaluation, what is predicted as a class is often of another",
        reads="labels, predictions",
        parameters=ConfusionParameters,
    ),
}
"""Every built-in rule, in the order in which results are shown."""
