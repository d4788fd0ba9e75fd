"""The recipes: defaults of hyperparameters that were not given, by `recipe` and `optimizer`.

`seed` is the table of hyperparameters as it stands; `modern` and `sgd` are what differs from it. No torch here: the
host side validates with the same table before a job is created.
"""

from collections.abc import Mapping

from container.contract.networks import is_resnet

Value = int | float | bool | str

SEED = "seed"
MODERN = "modern"

MODERN_DEFAULTS: Mapping[str, Value] = {
    "opt-learning-rate": 1e-3,
    "opt-weight-decay": 0.05,
    "lr-schedule": "cosine",
    "warmup-epochs": 1.0,
    "layer-decay": 0.9,
    "clip-grad": 1.0,
    "ema-decay": 0.999,
    "drop-path": 0.1,
    "label-smoothing": 0.1,
    "augmentation": "trivial",
    "random-erasing": 0.1,
    "probe": "first",
}
"""Defaults of the modern recipe where they differ from the seed recipe's."""

SGD_DEFAULTS: Mapping[str, Value] = {"opt-learning-rate": 0.01, "opt-weight-decay": 1e-4}
"""Defaults with optimizer=sgd under either recipe: AdamW's would hardly move it."""

# A default of the modern recipe that holds only with this value of another hyperparameter.
_NEEDS: Mapping[str, tuple[str, Value]] = {
    "warmup-epochs": ("lr-schedule", "cosine"),
    "probe": ("weights", "default"),
    "random-erasing": ("augmentation", "trivial"),
}


def with_defaults(given: Mapping[str, Value], table: Mapping[str, Value]) -> dict[str, Value]:
    """Return a job's hyperparameters: those that were given, and its recipe's defaults of the others.

    Args:
        given: Values by name.
        table: The seed recipe's default of every hyperparameter.
    """
    network = str(given.get("model-type", table["model-type"]))
    recipe = given.get("recipe") or (SEED if is_resnet(network) else MODERN)
    found = {**table, **(MODERN_DEFAULTS if recipe == MODERN else {}), "recipe": recipe, **given}
    if found["optimizer"] == "sgd":
        found |= {name: value for name, value in SGD_DEFAULTS.items() if name not in given}
    # A default must not contradict what was given.
    if is_resnet(network) and "drop-path" not in given:
        found["drop-path"] = table["drop-path"]
    for name, (other, value) in _NEEDS.items():
        if name not in given and found[other] != value:
            found[name] = table[name]
    return found


def describe_default(name: str, default: str) -> str:
    """Describe a hyperparameter's defaults under all recipes, such as "0.0001 (modern: 0.0005, sgd: 0.01)"."""
    others = {"modern": MODERN_DEFAULTS, "sgd": SGD_DEFAULTS}
    notes = [f"{title}: {str(values[name]).lower()}" for title, values in others.items() if name in values]
    return f"{default} ({', '.join(notes)})" if notes else default
