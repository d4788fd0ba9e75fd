"""The hyperparameters: names, types, ranges and defaults, and how the strings that clients send are read.

No torch here: the host side validates with the same table before a job is created.
"""

import dataclasses
import difflib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from container.errors import HyperparameterError

Value = int | float | bool | str

# Keys that SageMaker and its SDKs add to a job's hyperparameters for their own use.
_RESERVED_PREFIX = "sagemaker_"
_RESERVED = ("_tuning_objective_metric",)


@dataclass(frozen=True, kw_only=True)
class Hyperparameter:
    """One row of the table."""

    name: str
    type: type
    default: Value
    help: str
    low: float | None = None
    high: float | None = None
    above: float | None = None
    """Exclusive lower bound, where `low` would be wrong."""
    choices: tuple[str, ...] = ()

    @property
    def range(self) -> str:
        """The allowed values, for people."""
        if self.choices:
            return ", ".join(self.choices)
        if self.type is bool:
            return "true, false"
        lower = (
            f"above {self.above:.15g}" if self.above is not None else f"{self.low:.15g}" if self.low is not None else ""
        )
        upper = f"{self.high:.15g}" if self.high is not None else ""
        return f"{lower} to {upper}" if upper else lower

    def parse(self, text: object) -> Value:
        """Read a value in any form that clients send it in.

        SDK v2 JSON-encodes every value (a string arrives with quotes), SDK v3 only some, Step Functions none.

        Raises:
            HyperparameterError: The value is not of the type, or out of range.
        """
        value = _decode(text)
        if value is None:
            return self.default
        parsed = self._convert(value)
        if parsed is None or not self._allowed(parsed):
            kind = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}[self.type]
            limits = "" if self.type is bool else f" ({self.range})" if self.range else ""
            raise HyperparameterError(f"hyperparameter {self.name} is {text!r}; it must be {kind}{limits}")
        return parsed

    def _convert(self, value: object) -> Value | None:
        text = str(value).strip()
        if self.type is bool:
            return {"true": True, "false": False, "1": True, "0": False}.get(text.lower())
        if self.type is str:
            return text.lower() if self.choices else text
        if isinstance(value, bool) or not text.isascii() or "_" in text:
            return None
        try:
            number = float(text)
        except ValueError:
            return None
        if not math.isfinite(number):
            return None
        if self.type is float:
            return number
        return int(number) if number == int(number) else None

    def _allowed(self, value: Value) -> bool:
        if self.choices:
            return value in self.choices
        if isinstance(value, str | bool):
            return True
        return (
            (self.low is None or value >= self.low)
            and (self.high is None or value <= self.high)
            and (self.above is None or value > self.above)
        )


def _decode(text: object) -> object:
    """Take off JSON's encoding, up to twice; what is no JSON is the value itself."""
    for _ in range(2):
        if not isinstance(text, str):
            break
        try:
            text = json.loads(text)
        except ValueError:
            break
    return text


def _knob(default: Value, help: str, **limits: Any) -> Any:
    return dataclasses.field(default=default, metadata={"help": help, **limits})


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """One job's hyperparameters, checked. The names are those of the table with `_` for `-`."""

    model_type: str = _knob(
        "resnet50", "Architecture.", choices=("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")
    )
    epochs: int = _knob(20, "Times the training pictures are gone through.", low=1, high=10_000)
    batch_size: int = _knob(
        64, "Pictures per step, over all devices; 0 finds how many are fast enough.", low=0, high=65_536
    )
    opt_learning_rate: float = _knob(1e-4, "AdamW's learning rate.", above=0, high=10)
    opt_weight_decay: float = _knob(1e-4, "AdamW's weight decay.", low=0, high=10)
    lr_sched_step_size: int = _knob(6, "Epochs after which StepLR lowers the learning rate.", low=1, high=10_000)
    lr_sched_gamma: float = _knob(0.5, "Factor by which it does.", above=0, high=1)
    early_stopping_patience: int = _knob(
        100, "Epochs without a lower evaluation loss after which training stops.", low=1, high=10_000
    )
    use_cuda: bool = _knob(True, "Use the GPU where there is one.")
    debug: bool = _knob(False, "Save tensors in SageMaker Debugger's format.")
    wandb: bool = _knob(False, "Log to Weights & Biases; offline without WANDB_API_KEY.")
    weights: str = _knob(
        "default",
        "Where training starts: default (the weights channel, else the image's or torchvision's ImageNet "
        "weights) or none.",
        choices=("default", "none"),
    )
    image_size: int = _knob(224, "Side of the network's input, pixels.", low=32, high=1024)
    augmentation: str = _knob(
        "default",
        "How training pictures are varied: default (flip, 15 degrees, crops from 8 % of the area, brightness and "
        "contrast by 20 %), light (no flip, 10 degrees, crops from 70 %: for text, digits, scans), none.",
        choices=("default", "light", "none"),
    )
    class_weights: bool = _knob(True, "Weigh classes in the loss by the inverse of their size.")
    freeze_epochs: int = _knob(0, "First epochs in which only the new head learns.", low=0, high=10_000)
    label_smoothing: float = _knob(0.0, "Label smoothing in the training loss.", low=0, high=0.5)
    amp: str = _knob(
        "auto",
        "Mixed precision: auto is bf16 where the device has it, fp16 with scaling on older GPUs, off on other CPUs.",
        choices=("auto", "off", "bf16", "fp16"),
    )
    compile: bool = _knob(False, "Compile the network with torch.compile.")
    num_workers: int = _knob(
        -1, "Processes that read pictures, for each device; -1 chooses by CPUs and device.", low=-1, high=256
    )
    seed: int = _knob(0, "Seed of initialisation, splits, order and augmentation.", low=0, high=2**31 - 1)
    profile: bool = _knob(
        True, "Record where the time goes: each step's phases, the machine, the operators of three steps."
    )
    checkpoint_every: int = _knob(
        1, "Epochs between checkpoints, where a checkpoint directory exists.", low=1, high=10_000
    )
    checkpoint_minutes: float = _knob(
        10.0, "Minutes of an epoch after which there is one within it; 0 for none.", low=0, high=100_000
    )
    cache: str = _knob(
        "auto",
        "Keep decoded pictures: auto as far as half of the free memory goes, on as far as the disk does, off.",
        choices=("auto", "on", "off"),
    )
    bad_images: str = _knob("skip", "What an unreadable picture does to the job.", choices=("skip", "fail"))

    def __post_init__(self) -> None:
        if self.amp == "fp16" and not self.use_cuda:
            raise HyperparameterError("hyperparameter amp is fp16, which needs a GPU, but use-cuda is false")

    @classmethod
    def from_strings(cls, values: Mapping[str, object]) -> Self:
        """Check and read a job's hyperparameters, as `hyperparameters.json` holds them.

        Raises:
            HyperparameterError: A name is unknown (the nearest known one is given), or a value does not fit.
        """
        known = {row.name: row for row in HYPERPARAMETERS}
        parsed: dict[str, Any] = {}
        for name, text in values.items():
            if name.startswith(_RESERVED_PREFIX) or name in _RESERVED:
                continue
            if name not in known:
                raise HyperparameterError(_unknown(name, list(known)))
            parsed[name.replace("-", "_")] = known[name].parse(text)
        return cls(**parsed)

    def to_strings(self) -> dict[str, str]:
        """The job's hyperparameters by their names, as strings, defaults included."""
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
        type=type(field.default),
        default=field.default,  # type: ignore[arg-type]  # every field has a default of a Value type
        **field.metadata,
    )
    for field in dataclasses.fields(TrainConfig)
)


def markdown_table() -> str:
    """The table of the documentation."""
    rows = [("name", "default", "values", "meaning"), ("---",) * 4]
    rows += [(f"`{row.name}`", str(row.default).lower(), row.range, row.help) for row in HYPERPARAMETERS]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)
