"""What the real smdebug finds in a trial, read in its own environment."""

import json
from pathlib import Path
from typing import Any, NamedTuple

from tests.rules.environment import run_python

_READ = """
import json, sys
from smdebug.exceptions import ShapeUnavailableForStep, TensorUnavailableForStep
from smdebug.trials import create_trial

def saved(tensor, *where):
    reductions = tensor.reduction_values(*where).items()
    found = {"reductions": {"abs_" * absolute + name: float(value) for (name, absolute), value in reductions}}
    try:
        found["shape"] = list(tensor.shape(*where))
        value = tensor.value(*where)
        return found | {"value": value.tolist(), "dtype": value.dtype.name}
    except (ShapeUnavailableForStep, TensorUnavailableForStep):
        return found

def workers(trial):
    found = {}
    for name in trial.tensor_names():
        tensor = trial.tensor(name)
        for number in tensor.steps():
            mode, step = trial.mode(number), trial.mode_step(number)
            for worker in tensor.workers(step, mode):
                key = f"{mode.name} {step} {name}"
                found.setdefault(worker, {})[key] = {"step": number, **saved(tensor, step, mode, worker)}
    return found

print(json.dumps([workers(create_trial(path)) for path in sys.argv[1:]]))
"""


class Saved(NamedTuple):
    """One tensor of one step."""

    step: int
    """Over all modes."""
    value: Any = None
    """Nested lists; None where only reductions were saved."""
    dtype: str | None = None
    shape: list[int] | None = None
    """That of the value, or the one saved in its place."""
    reductions: dict[str, float] = {}  # noqa: RUF012 - of a tuple, and nobody changes it
    """By smdebug's names: `l2`, `abs_max`."""


Trial = dict[str, Saved]
"""By `MODE step name`, with the mode's own step."""


def read_workers(*trials: Path) -> list[dict[str, Trial]]:
    """What each worker saved, by its name, of each trial."""
    done = run_python("-c", _READ, *trials)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    return [
        {worker: {key: Saved(**one) for key, one in saved.items()} for worker, saved in of_trial.items()}
        for of_trial in found
    ]


def read_several(*trials: Path) -> list[Trial]:
    """What the only worker of each saved: one process for all, because smdebug takes a second to import."""
    return [saved for (saved,) in (found.values() for found in read_workers(*trials))]


def read(trial: Path) -> Trial:
    """What the only worker saved."""
    (found,) = read_several(trial)
    return found
