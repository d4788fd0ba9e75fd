"""The recipes: defaults of hyperparameters that were not given, by `recipe` and `optimizer`.

`seed` is the table of hyperparameters as it stands; `modern` and `sgd` are what differs from it. No torch here: the
host side validates with the same table before a job is created.
"""

from collections.abc import Mapping

Value = int | float | bool | str

SEED = "seed"
MODERN = "modern"

SEED_NETWORKS = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")
"""The seed project's networks, whose jobs have the seed recipe unless they name another."""

MODERN_DEFAULTS: Mapping[str, Value] = {
    "opt-learning-rate": 5e-4,
    "opt-weight-decay": 0.05,
    "lr-schedule": "cosine",
    "warmup-epochs": 1.0,
    "layer-decay": 0.75,
    "clip-grad": 1.0,
    "ema-decay": 0.999,
    "label-smoothing": 0.1,
}
"""Defaults of the modern recipe where they differ from the seed recipe's."""

SGD_DEFAULTS: Mapping[str, Value] = {"opt-learning-rate": 0.01, "opt-weight-decay": 1e-4}
"""Defaults with optimizer=sgd under either recipe: AdamW's would hardly move it."""

# A hyperparameter that has an effect only with this value of another one.
_NEEDS: Mapping[str, tuple[str, Value]] = {"warmup-epochs": ("lr-schedule", "cosine")}


def recipe_defaults(given: Mapping[str, Value], model_type: Value) -> dict[str, Value]:
    """Return a job's defaults where they differ from the table's, by name.

    Args:
        given: The hyperparameters that were given, by name.
        model_type: The network.
    """
    recipe = given.get("recipe") or (SEED if model_type in SEED_NETWORKS else MODERN)
    defaults = {"recipe": recipe, **(MODERN_DEFAULTS if recipe == MODERN else {})}
    if given.get("optimizer", defaults.get("optimizer")) == "sgd":
        defaults |= SGD_DEFAULTS
    # A default must not contradict what was given.
    for name, (other, value) in _NEEDS.items():
        if given.get(other, defaults.get(other)) != value:
            defaults.pop(name, None)
    return defaults


def describe_default(name: str, default: str) -> str:
    """Describe a hyperparameter's defaults under all recipes, such as "0.0001 (modern: 0.0005, sgd: 0.01)"."""
    others = {"modern": MODERN_DEFAULTS, "sgd": SGD_DEFAULTS}
    notes = [f"{title}: {str(values[name]).lower()}" for title, values in others.items() if name in values]
    return f"{default} ({', '.join(notes)})" if notes else default
