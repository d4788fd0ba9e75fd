"""Temperature scaling and what the training report says of the probabilities, on logits whose truth is known."""

import numpy as np
import pytest
import torch
from scipy.stats import binomtest
from sklearn.metrics import average_precision_score

from container.graph.probabilities import distance, softmax
from container.train.launch.distributed import World
from container.train.launch.hosts import Rank
from container.train.records import logits as logits_module
from container.train.records.calibration import calibrate, fit_temperature, reject_below
from container.train.records.logits import Logits
from container.train.records.probability_metrics import probability_metrics, wilson_interval

CLASSES = [f"class {index}" for index in range(5)]


def drawn(count: int, sharpness: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits, and targets drawn from the probabilities that they would give at temperature `sharpness`."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, 3, (count, len(CLASSES)))
    probabilities = softmax((logits / sharpness).astype(np.float32)).astype(np.float64)
    cumulated = (probabilities / probabilities.sum(axis=1, keepdims=True)).cumsum(axis=1)
    targets = (generator.random(count)[:, None] > cumulated[:, :-1]).sum(axis=1)
    return logits, targets


@pytest.mark.parametrize("true", [0.5, 1.0, 2.5])
def test_the_temperature_that_made_the_labels_is_found_and_mends_the_probabilities(true: float):
    calibration = calibrate(*drawn(20_000, true))
    assert calibration["temperature"] == pytest.approx(true, rel=0.05)
    error = probability_metrics(*drawn(20_000, true, seed=1), calibration, CLASSES)["calibration_error"]
    assert error["after"] < 0.02
    assert error["after"] < error["before"] / 3 or true == 1.0


def test_without_a_mistake_or_with_few_pictures_nothing_is_calibrated():
    logits, _ = drawn(100, 1.0)
    found = calibrate(logits, logits.argmax(axis=1))
    distances = distance(logits.astype(np.float32), tuple(found.pop("typical_logits")))
    assert (distances > found.pop("distance_above")).mean() == pytest.approx(0.05)
    assert found == {"pictures": 100, "uncalibrated": "every validation picture was classified correctly"}
    few = calibrate(*drawn(29, 1.0))
    assert "30 validation pictures are needed" in few["uncalibrated"]
    assert "distance_above" not in few
    assert fit_temperature(logits, logits.argmax(axis=1)) is None


def test_rejecting_halves_the_share_of_mistakes_at_the_lowest_threshold_that_does():
    confidence = np.array([0.3, 0.4, 0.5, 0.55, 0.6, 0.7, 0.8, 0.9, 0.95, 0.97])
    right = np.array([False, False, True, False, True, True, True, False, True, True])
    # 4 of 10 are wrong. From 0.55 on 2 of 7 are, from 0.6 on 1 of 6.
    assert reject_below(confidence, right) == 0.6
    assert reject_below(confidence[3:], right[3:]) is None, "two mistakes are too few to choose by"


def test_the_facts_are_those_of_other_libraries():
    logits, targets = drawn(400, 1.5)
    found = probability_metrics(logits, targets, {"temperature": 1.5, "reject_below": 0.8}, CLASSES)
    right = int((logits.argmax(axis=1) == targets).sum())
    theirs = binomtest(right, 400).proportion_ci(method="wilson")
    assert found["accuracy_interval"] == pytest.approx([theirs.low, theirs.high], abs=1e-6)
    probabilities = softmax((logits / 1.5).astype(np.float32))
    for index, value in enumerate(found["average_precision"]):
        assert value == pytest.approx(average_precision_score(targets == index, probabilities[:, index]), abs=1e-9)
    answered = probabilities.max(axis=1) >= 0.8
    accuracy = (probabilities.argmax(axis=1) == targets)[answered].mean()
    assert found["rejected"] == {
        "below": 0.8,
        "coverage": pytest.approx(answered.mean()),
        "accuracy": pytest.approx(accuracy),
    }
    assert found["coverage"][-1][:2] == [1.0, pytest.approx(right / 400)]
    assert found["top5"] == 1.0
    assert wilson_interval(0, 10)[0] == 0.0


def test_a_class_without_test_pictures_has_no_curve():
    logits, targets = drawn(50, 1.0)
    targets[targets == 2] = 3
    found = probability_metrics(logits, targets, {}, CLASSES)
    assert found["average_precision"][2] is None
    assert "class 2" not in [curve["class"] for curve in found["curves"]]


def test_of_a_large_split_pictures_are_kept_evenly_however_they_come(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(logits_module, "MOST_VALUES", 20)
    kept = Logits(pictures=23, classes=2)  # every third
    for part in torch.arange(23).split(5):
        kept.observe(part[:, None].float().expand(-1, 2), part)
    found, targets = kept.gather(World(Rank()))
    assert targets.tolist() == [0, 3, 6, 9, 12, 15, 18, 21]
    assert found[:, 0].tolist() == targets.tolist()
