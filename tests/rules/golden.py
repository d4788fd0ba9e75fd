"""Which rules fire for which fault; in smdebug's environment a program that writes the trials and judges them.

    python -m tests.rules.golden DIRECTORY

prints the judgements of these, and of all other trials that it finds there, as one JSON object by name.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.rules import faults
from tests.rules.trials import Fault, write

LOW, HIGH, HEAD = (f"Net_{name}.weight" for name in ("low", "high", "head"))
GRADIENT = f"gradient/{LOW}"


@dataclass(frozen=True, kw_only=True)
class Case:
    """A trial with a fault, and what must be found in it: the rules, and of each the tensors."""

    fault: Fault
    fires: Mapping[str, set[str]] = field(default_factory=dict)
    reduced: bool = False


CASES = {
    "sound": Case(fault=faults.nothing),
    "sound, reduced": Case(fault=faults.nothing, reduced=True),
    "tiny gradient": Case(fault=faults.times(GRADIENT, 1e-7), fires={"VanishingGradient": {GRADIENT}}),
    "NaN": Case(fault=faults.with_nan, fires={"ExplodingTensor": {HIGH}}),
    "narrow gradients, loss stands": Case(
        fault=faults.slow_start(faults.times(GRADIENT, 1e-3), 50), fires={"PoorWeightInitialization": {GRADIENT}}
    ),
    "uneven activations, loss stands": Case(
        fault=faults.slow_start(faults.times("block1.relu_input_0", 0.1), 50),
        fires={"PoorWeightInitialization": {"block1.relu_input_0"}},
    ),
    "narrow gradients, slow start": Case(fault=faults.slow_start(faults.times(GRADIENT, 1e-3), 15)),
    "validation loss a sum": Case(fault=faults.summed),
    "narrow gradients, loss falls": Case(fault=faults.times(GRADIENT, 1e-3)),
    "worse in validation": Case(fault=faults.overfitted, fires={"Overfit": {faults.LOSS}}),
    "losses alike by chance": Case(fault=faults.alike_by_chance),
    "trained for long": Case(fault=faults.trained_for_long, fires={"Overtraining": {faults.LOSS}}),
    "stuck": Case(fault=faults.stuck, fires={"LossNotDecreasing": {faults.LOSS}, "Overtraining": {faults.LOSS}}),
    "leaping": Case(fault=faults.leaping, fires={"LossNotDecreasing": {faults.LOSS}}),
    "few of one class": Case(fault=faults.few_of_one_class, fires={"ClassImbalance": {"labels"}}),
    "one class mistaken": Case(
        fault=faults.one_class_mistaken, fires={"ClassImbalance": {"labels"}, "Confusion": {"predictions"}}
    ),
    "dead ReLUs": Case(fault=faults.mostly_dead, fires={"DeadRelu": {"block2.relu_output_0"}}),
    "zero head at first": Case(fault=faults.at_first(HEAD, 0), fires={"AllZero": {HEAD}}),
    "unchanged": Case(fault=faults.unchanged, fires={"UnchangedTensor": {LOW}}),
    "large weights": Case(fault=faults.times(HIGH, 30), fires={"TensorVariance": {HIGH}}),
    "classes confused": Case(fault=faults.classes_confused, fires={"Confusion": {"predictions"}}),
    "confused at first": Case(fault=faults.confused_at_first),
    "many at once, reduced": Case(
        fault=faults.together(
            faults.at_first(GRADIENT, 0),
            faults.with_nan,
            faults.times("block2.relu_output_0", 0),
            faults.unchanged,
            faults.times(HEAD, 30),
        ),
        fires={
            "PoorWeightInitialization": {GRADIENT},
            "VanishingGradient": {GRADIENT},
            "AllZero": {GRADIENT},
            "ExplodingTensor": {HIGH},
            "DeadRelu": {"block2.relu_output_0"},
            "UnchangedTensor": {LOW},
            "TensorVariance": {HEAD},
        },
        reduced=True,
    ),
}


def main() -> None:
    from container.rules.catalogue import make_runs
    from container.rules.judging import judge
    from container.rules.selection import choose
    from container.rules.snapshot import open_trial

    directory = Path(sys.argv[1])
    for name, case in CASES.items():
        write(directory / name, case.fault, reduced=case.reduced)
    judged = {}
    for path in directory.iterdir():
        trial = open_trial(str(path), follow=False, say=print)
        judgement = judge(
            trial,
            make_runs(choose([], []), trial),
            start_step=0,
            end_step=None,
            follow=False,
            found=lambda rule, finding: None,
            say=print,
        )
        judged[path.name] = judgement.to_json()
    sys.stdout.write(json.dumps(judged))


if __name__ == "__main__":
    main()
