"""The built-in rules over trials with planted faults: what must fire does, and nothing else."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from container.rules.definitions import RULES
from tests.rules import trainings
from tests.rules.environment import run_python
from tests.rules.golden import CASES

Judged = Mapping[str, Mapping[str, Any]]


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Judged:
    """The judgements of all trials: those of smdebug's writer, and those of real trainings with our hook."""
    directory = tmp_path_factory.mktemp("trials")
    for name, training in trainings.TRAININGS.items():
        trainings.train(directory / name, training)
    done = run_python("-m", "tests.rules.golden", directory)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def fired(judgement: Mapping[str, Any]) -> dict[str, set[str]]:
    return {
        result["rule"]: {finding["tensor"] for finding in result["findings"]}
        for result in judgement["rules"]
        if result["findings"]
    }


@pytest.mark.parametrize("name", CASES)
def test_the_rules_for_a_fault_fire_for_its_tensor_and_no_others_do(judged: Judged, name: str):
    assert fired(judged[name]) == CASES[name].fires
    statuses = {result["rule"]: result["status"] for result in judged[name]["rules"]}
    expected = {rule: "IssuesFound" if rule in CASES[name].fires else "NoIssuesFound" for rule in RULES}
    assert statuses == expected, "every rule had what it needs"


@pytest.mark.parametrize("name", CASES)
def test_a_finding_says_where_and_what_to_do(judged: Judged, name: str):
    for result in judged[name]["rules"]:
        for finding in result["findings"]:
            assert finding["mode"] in ("TRAIN", "EVAL")
            assert 0 <= finding["step"] <= finding["global_step"] < judged[name]["steps"]
            assert isinstance(finding["value"], float) or finding["value"] == "nan"
            what, semicolon, advice = finding["message"].partition("; ")
            assert what
            assert semicolon
            assert len(advice) > 20


def test_findings_are_at_the_step_at_which_the_fault_is_first_seen(judged: Judged):
    def first(name: str, rule: str) -> Mapping[str, Any]:
        return next(result for result in judged[name]["rules"] if result["rule"] == rule)["findings"][0]

    assert (first("NaN", "ExplodingTensor")["mode"], first("NaN", "ExplodingTensor")["step"]) == ("EVAL", 8)
    assert first("zero head at first", "AllZero")["value"] == 100.0
    assert first("zero head at first", "AllZero")["times"] == 1
    assert first("tiny gradient", "VanishingGradient")["times"] == 8
    assert first("unchanged", "UnchangedTensor")["step"] == 20
    assert first("leaping", "LossNotDecreasing")["step"] == 69


@pytest.mark.parametrize("name", trainings.TRAININGS)
def test_in_real_trainings_the_planted_fault_is_found_and_a_sound_one_is_left_alone(judged: Judged, name: str):
    found, training = set(fired(judged[name])), trainings.TRAININGS[name]
    assert found >= training.must_fire
    assert found <= training.must_fire | training.may_follow
    assert judged[name]["ended"]
