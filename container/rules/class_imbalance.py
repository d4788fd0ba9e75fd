"""The rule ClassImbalance."""

from collections import defaultdict, deque
from typing import Any

import numpy as np

from container.rules.built_in import WHERE, BuiltInRule
from container.rules.definitions import ClassImbalanceParameters
from container.rules.labelled import Classes, Labelled, read_labelled
from container.rules.saved_step import SavedStep

_OF_EACH = 20  # labels of a class, on average, before the sizes of classes are compared
_FEW = 5  # too few labels of a class to say how well it is predicted
_UNEVEN = (
    "class-weights=true weights classes by the inverse of their size (the default); more pictures of this one help more"
)
_MISTAKEN = "set class-weights=true, add pictures of this class, or look for wrong labels among them"


class ClassImbalance(BuiltInRule[ClassImbalanceParameters]):
    """The sizes of classes differ by more than a factor of `threshold_imbalance`, or a class is mispredicted for that.

    Sizes count all labels seen in training. A class is mispredicted if more than `threshold_misprediction` of its last
    labels are predicted wrongly, unless most classes are: then the network has just not learned yet. The finding is
    withdrawn once that is over.
    """

    def __init__(self, base_trial: Any, **parameters: object) -> None:
        super().__init__(base_trial, **parameters)
        self.lacks = f"the trial holds no labels, or fewer than {self.parameters.samples}; {WHERE}"
        self._sizes: Classes = np.zeros(0, dtype=np.int64)
        self._latest: dict[str, deque[Labelled]] = defaultdict(deque)

    def judge(self, step: SavedStep) -> None:
        names = (step.matching([self.parameters.labels_regex]), step.matching([self.parameters.predictions_regex]))
        labelled = read_labelled(step, *names)
        if labelled is None:
            return
        tensor = names[0][0]
        if step.trains:
            self._compare_sizes(step, tensor, labelled)
        if labelled.predictions is not None:
            self._compare_mistakes(step, tensor, labelled)

    def _needed(self, classes: int) -> int:
        return max(self.parameters.samples, _OF_EACH * classes)

    def _compare_sizes(self, step: SavedStep, tensor: str, labelled: Labelled) -> None:
        classes = max(labelled.classes, self._sizes.size)
        counted = np.bincount(labelled.labels, minlength=classes)
        counted[: self._sizes.size] += self._sizes
        self._sizes = counted
        if counted.sum() < self._needed(classes):
            return
        self.judged += 1
        most = int(counted.argmax())
        for number in np.flatnonzero(counted * self.parameters.threshold_imbalance < counted[most]):
            what = (
                f"class {number} has {counted[number]} of {counted.sum()} labels, class {most} {counted[most]}: "
                f"more than {self.parameters.threshold_imbalance:g} times as many"
            )
            ratio = float(counted[most] / counted[number]) if counted[number] else np.inf
            self.find(step, tensor, ratio, what, _UNEVEN, key=f"size {number}")

    def _compare_mistakes(self, step: SavedStep, tensor: str, labelled: Labelled) -> None:
        latest = self._latest[step.mode]
        latest.append(labelled)
        needed = self._needed(max(one.classes for one in latest))
        seen = sum(one.labels.size for one in latest)
        while seen - latest[0].labels.size >= needed:
            seen -= latest.popleft().labels.size
        if seen < needed:
            return
        self.judged += 1
        labels = np.concatenate([one.labels for one in latest])
        wrong = labels != np.concatenate([one.predictions for one in latest if one.predictions is not None])
        counted = np.bincount(labels)
        shares = np.bincount(labels, weights=wrong) / np.maximum(counted, 1)
        usual = float(np.median(shares[counted > 0]))
        mistaken = (counted >= _FEW) & (shares > self.parameters.threshold_misprediction)
        for number in np.flatnonzero(~mistaken):
            self.findings.pop(f"mistakes {step.mode} {number}", None)
        if usual > self.parameters.threshold_misprediction:
            return
        for number in np.flatnonzero(mistaken):
            what = (
                f"{100 * shares[number]:.0f} % of the last {counted[number]} labels of class {number} are predicted "
                f"wrongly, and at most {100 * usual:.0f} % in half of the classes"
            )
            self.find(step, tensor, float(shares[number]), what, _MISTAKEN, key=f"mistakes {step.mode} {number}")
