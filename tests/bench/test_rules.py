"""The quick form of `python -m bench.rules`: one seed of everything."""

from pathlib import Path

import pytest

from bench.rule_trainings import FAULTS, SOUND, SUMS
from bench.rules import count, judge_trainings, table
from container.rules.definitions import RULES
from tests.rules.environment import need_smdebug


def test_no_rule_fires_on_a_sound_training_and_each_does_for_its_fault(tmp_path: Path):
    need_smdebug()
    assert [*FAULTS] == [*RULES]
    result = count(judge_trainings(tmp_path, 1), 1)
    for rule, counted in result["rules"].items():
        assert counted["false_alarms_percent"] == dict.fromkeys((*SOUND, *SUMS), 0.0), rule
        assert counted["misses_percent"] == 0.0, rule
    assert result["sums_recognised_percent"] == 100.0
    assert result["within"]
    assert "| Overfit | 0 |" in table(result)


def test_alarms_and_misses_are_counted_and_judged():
    judged = {
        f"{name} #{seed}": {
            "fired": {name: "it fired"} if name in FAULTS else {},
            "messages": {"Overfit": "it is a sum"},
        }
        for name in SOUND | FAULTS | SUMS
        for seed in range(2)
    }
    assert count(judged, 2)["within"]
    judged["sound #1"] = {"fired": {"AllZero": "it fired"}, "messages": {}}
    judged["DeadRelu #0"] = {"fired": {}, "messages": {}}
    counted = count(judged, 2)
    assert counted["rules"]["AllZero"]["false_alarms_percent"]["sound"] == pytest.approx(50)
    assert counted["rules"]["DeadRelu"]["misses_percent"] == pytest.approx(50)
    assert not counted["within"]
