"""The hyperparameters: names, types, ranges and defaults, and the reading of the strings that clients send.

No torch here: the host side validates with the same table before a job is created.
"""

import dataclasses
import difflib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from container.contract.contradictions import contradictions
from container.contract.errors import HyperparameterError
from container.contract.fields import Field, declare
from container.contract.networks import may_be_network
from container.contract.recipes import Value as Value
from container.contract.recipes import describe_default, with_defaults

# Keys that SageMaker and its SDKs add to a job's hyperparameters for their own use.
_RESERVED_PREFIX = "sagemaker_"
_RESERVED = ("_tuning_objective_metric",)

# The seed project's notebooks use both.
_OTHER_NAMES = {"model-name": "model-type"}

_SMALLEST_IMAGE = 32  # pixels


@dataclass(frozen=True, kw_only=True)
class Hyperparameter(Field[Value]):
    """One row of the table."""

    name: str
    default: Value
    """The seed recipe's."""
    help: str
    shown: str = ""
    """How the default is shown if it is not one value."""

    @property
    def default_text(self) -> str:
        """The defaults under all recipes, as help and documentation show them."""
        return self.shown or describe_default(self.name, str(self.default).lower())

    def parse(self, text: object) -> Value:
        """Read a value in any form that clients send it in.

        SDK v2 JSON-encodes every value (a string arrives with quotes), SDK v3 only some, Step Functions none.

        Raises:
            HyperparameterError: The value is not of the type, or out of range.
        """
        value = _decode(text)
        if value is None:
            return self.default
        if self.unit == "minutes":
            value = _minutes(value)
        return self.read(value, f"hyperparameter {self.name}", HyperparameterError, given=text)


def _minutes(value: object) -> object:
    """Convert a duration such as "90s", "10m" or "1.5h" to minutes; anything else is returned as it is."""
    match = re.fullmatch(r"\s*(\d+\.?\d*)\s*([smh])\s*", str(value), re.ASCII)
    return value if match is None else float(match[1]) * {"s": 1 / 60, "m": 1, "h": 60}[match[2]]


def _decode(text: object) -> object:
    """Decode JSON, up to twice; text that is not JSON is the value itself."""
    for _ in range(2):
        if not isinstance(text, str):
            break
        try:
            text = json.loads(text)
        except ValueError:
            break
    return text


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """One job's hyperparameters, checked. A field is named as in the table, with `_` for `-`."""

    model_type: str = declare(
        "resnet50",
        "Architecture; model-name is another name of this hyperparameter.",
        form=may_be_network,
        described="resnet18, resnet34, resnet50, resnet101, resnet152, or a network of timm",
    )
    recipe: str = declare(
        "seed",
        "Defaults of what is not given: seed (AdamW, StepLR) or modern (fine-tuning as of today; no weight decay on "
        "norms and biases).",
        choices=("seed", "modern"),
        shown="seed for the five ResNets, else modern",
    )
    epochs: int = declare(20, "Passes over the training set.", low=1, high=10_000)
    budget: float = declare(
        0.0,
        "Time for the whole job, such as 10m or 1h: it measures its device, chooses probe, image-size unless given, "
        "and the number of epochs, at most epochs, and ends in time. 0 is no limit.",
        low=0,
        high=100_000,
        unit="minutes",
    )
    batch_size: int = declare(
        64, "Pictures per step, over all devices; 0 measures and chooses a fast one.", low=0, high=65_536
    )
    optimizer: str = declare("adamw", "adamw, or sgd with Nesterov momentum 0.9.", choices=("adamw", "sgd"))
    opt_learning_rate: float = declare(1e-4, "The optimizer's learning rate.", above=0, high=10)
    opt_weight_decay: float = declare(1e-4, "The optimizer's weight decay.", low=0, high=10)
    lr_schedule: str = declare(
        "step",
        "Learning rate over time: step (lowered every lr-sched-step-size epochs) or cosine (to 0 over all epochs, step "
        "by step).",
        choices=("step", "cosine"),
    )
    warmup_epochs: float = declare(
        0.0,
        "Raise the learning rate over the first N epochs, at most half of all; needs lr-schedule=cosine.",
        low=0,
        high=10_000,
    )
    lr_sched_step_size: int = declare(6, "Lower the learning rate every N epochs (StepLR).", low=1, high=10_000)
    lr_sched_gamma: float = declare(0.5, "Factor by which the learning rate is then multiplied.", above=0, high=1)
    layer_decay: float = declare(
        1.0,
        "Factor of the learning rate from one stage of the network to the one below it, in vision transformers from "
        "block to block; 1 for the same rate everywhere.",
        above=0,
        high=1,
    )
    drop_path: float = declare(
        0.0,
        "Stochastic depth: probability with which the last block is left out of a step, less for earlier ones. The "
        "five ResNets have none.",
        low=0,
        high=0.9,
    )
    clip_grad: float = declare(0.0, "Clip the gradients' norm to this; 0 disables.", low=0, high=1e6)
    ema_decay: float = declare(
        0.0,
        "Average the weights over the steps with this decay (EMA), lower in the first steps; evaluated and saved is "
        "the average. 0 disables.",
        low=0,
        high=0.999999,
    )
    early_stopping_patience: int = declare(
        100, "Stop after N epochs without a lower evaluation loss.", low=1, high=10_000
    )
    use_cuda: bool = declare(True, "Use the GPU if there is one.")
    debug: bool = declare(False, "Save tensors in SageMaker Debugger's format.")
    wandb: bool = declare(False, "Log to Weights & Biases; offline without WANDB_API_KEY.")
    weights: str = declare(
        "default",
        "Where training starts: default (the weights channel, else the image's, else those that torchvision or timm "
        "downloads) or none.",
        choices=("default", "none"),
    )
    image_size: int = declare(
        0,
        "Side of the network's input, pixels, at least 32; 0 is the network's own, 224 for a ResNet.",
        low=0,
        high=1024,
    )
    progressive_sizes: float = declare(
        1.0,
        "Train on smaller pictures first: their side grows from this fraction of image-size to image-size; 1 is off.",
        low=0.25,
        high=1,
    )
    augmentation: str = declare(
        "default",
        "Augmentation of training pictures: default (flip, 15 degrees, crops from 8 % of the area, brightness and "
        "contrast by 20 %), light (no flip, 10 degrees, crops from 70 %: for text, digits, scans), trivial or rand "
        "(flip, crops from 8 %, then TrivialAugment or RandAugment), none.",
        choices=("default", "light", "trivial", "rand", "none"),
    )
    rand_magnitude: int = declare(9, "RandAugment's magnitude; needs augmentation=rand.", low=0, high=30)
    random_erasing: float = declare(0.0, "Probability of erasing a rectangle of a training picture.", low=0, high=1)
    mixup: float = declare(
        0.0, "Mixup's alpha: batches are blended with shares from Beta(alpha, alpha); 0 is off.", low=0, high=10
    )
    cutmix: float = declare(
        0.0,
        "CutMix's alpha, as mixup's: a rectangle comes from another picture; 0 is off. With both, each takes half of "
        "the batches.",
        low=0,
        high=10,
    )
    class_weights: bool = declare(True, "Weight classes in the loss by the inverse of their size.")
    probe: str = declare(
        "off",
        "Linear probe: fit the new head to the features of the pretrained network, computed once per picture. first "
        "does so before the first epoch, only has no epochs follow.",
        choices=("off", "first", "only"),
    )
    freeze_epochs: int = declare(0, "Train only the new head for the first N epochs.", low=0, high=10_000)
    label_smoothing: float = declare(0.0, "Label smoothing in the training loss.", low=0, high=0.5)
    amp: str = declare(
        "auto",
        "Mixed precision: auto is bf16 on GPUs that have it, fp16 with scaling on older ones, and on a CPU that "
        "has it if this network then trains a tenth faster, measured at the start; off elsewhere.",
        choices=("auto", "off", "bf16", "fp16"),
    )
    compile: bool = declare(False, "Compile the network with torch.compile.")
    num_workers: int = declare(-1, "DataLoader workers per device; -1 chooses by CPUs and device.", low=-1, high=256)
    seed: int = declare(0, "Seed for initialisation, splits, order and augmentation.", low=0, high=2**31 - 1)
    profile: bool = declare(
        True, "Record where the time goes: the phases of each step, the machine's load, the operators of three steps."
    )
    checkpoint_every: int = declare(
        1, "Epochs between checkpoints, if there is a checkpoint directory.", low=1, high=10_000
    )
    checkpoint_minutes: float = declare(
        10.0, "Also checkpoint within an epoch, every N minutes; 0 disables.", low=0, high=100_000
    )
    cache: str = declare(
        "auto",
        "Cache decoded pictures: auto uses up to half of the free memory, on also the disk, off.",
        choices=("auto", "on", "off"),
    )
    calibrate: bool = declare(
        True, "Fit a temperature on the validation split, so that served probabilities are as high as they are right."
    )
    export: bool = declare(
        True, "Export the best model to model.onnx at the end: CPUs then serve it without torch, and start sooner."
    )
    int8: bool = declare(
        False,
        "Also quantise it to 8 bits with validation pictures, for CPUs; kept only if at most 0.3 points of accuracy "
        "are lost and 98 % of the pictures keep their class. Takes minutes for large networks.",
    )
    bad_images: str = declare("skip", "What to do about an unreadable picture.", choices=("skip", "fail"))

    def __post_init__(self) -> None:
        if 0 < self.image_size < _SMALLEST_IMAGE:
            raise HyperparameterError(
                f"hyperparameter image-size is {str(self.image_size)!r}; it must be a whole number from "
                f"{_SMALLEST_IMAGE} to 1024, or 0 for the network's own size"
            )
        for sentence in contradictions({field.name: getattr(self, field.name) for field in dataclasses.fields(self)}):
            raise HyperparameterError(f"hyperparameter {sentence}")

    @property
    def slug(self) -> str:
        """The network's name in that of a job, which has neither underscores nor dots."""
        return self.model_type.replace("_", "-").replace(".", "-")

    @classmethod
    def from_strings(cls, values: Mapping[str, object]) -> Self:
        """Read and check a job's hyperparameters, as `hyperparameters.json` holds them.

        Raises:
            HyperparameterError: A name is unknown (the nearest known one is given), or a value does not fit.
        """
        known = {row.name: row for row in HYPERPARAMETERS}
        given: dict[str, Value] = {}
        for sent, text in values.items():
            if sent.startswith(_RESERVED_PREFIX) or sent in _RESERVED:
                continue
            name = _OTHER_NAMES.get(sent, sent)
            if name not in known:
                raise HyperparameterError(_unknown(name, list(known)))
            if _decode(text) is None:
                continue
            value = known[name].parse(text)
            if given.setdefault(name, value) != value:
                other = next(other for other in _OTHER_NAMES if _OTHER_NAMES[other] == name)
                raise HyperparameterError(
                    f"hyperparameter {name} is {given[name]!r} and {value!r}, under two names: give {name} or {other}"
                )
        concrete: dict[str, Any] = with_defaults(given, {row.name: row.default for row in HYPERPARAMETERS})
        return cls(**{name.replace("-", "_"): value for name, value in concrete.items()})

    def to_strings(self) -> dict[str, str]:
        """Return the job's hyperparameters by their names, as strings, defaults included."""
        return {
            field.name.replace("_", "-"): str(value).lower() if isinstance(value, bool) else str(value)
            for field in dataclasses.fields(self)
            for value in (getattr(self, field.name),)
        }


def _unknown(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name.replace("_", "-").lower(), known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else f"known are: {', '.join(known)}"
    return f"there is no hyperparameter {name}; {hint}"


HYPERPARAMETERS: tuple[Hyperparameter, ...] = tuple(
    Hyperparameter(
        name=field.name.replace("_", "-"),
        type=type(field.default),  # type: ignore[arg-type]  # every field has a default of a Value type
        default=field.default,  # type: ignore[arg-type]
        **field.metadata,
    )
    for field in dataclasses.fields(TrainConfig)
)


def markdown_table() -> str:
    """Return the table for the documentation."""
    rows = [("name", "default", "values", "meaning"), ("---",) * 4]
    rows += [(f"`{row.name}`", row.default_text, row.range, row.help) for row in HYPERPARAMETERS]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)
