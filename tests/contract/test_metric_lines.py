import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from container.contract.metric_lines import METRIC_DEFINITIONS, EvaluationLine, TrainLine, read_line

REGEX = {row["Name"]: re.compile(row["Regex"]) for row in METRIC_DEFINITIONS}


def test_the_lines_have_the_form_that_users_expressions_are_written_against():
    assert str(TrainLine(epoch=3, seen=1280, total=6680, loss=1.234567)) == (
        "Train Epoch: 3 [1280/6680 (19%)], Loss: 1.234567"
    )
    line = str(EvaluationLine(phase="EVAL", loss=0.8678, correct=700, total=835))
    assert line == "EVAL: Average loss: 0.8678, Accuracy: 700/835 (83.83%)"
    seed_project = re.search("EVAL: Average loss: ([0-9\\.]+)", line)
    assert seed_project
    assert float(seed_project[1]) == 0.8678


def test_the_names_of_the_metrics_are_frozen():
    assert list(REGEX) == ["train_loss", "eval_loss_epoch", "eval_accuracy_epoch", "test_loss", "test_accuracy"]
    assert all(len(row["Name"]) <= 255 and len(row["Regex"]) <= 500 for row in METRIC_DEFINITIONS)


@pytest.mark.parametrize("loss", [0.5, 1e-5, 123456.0, -0.25, float("nan"), float("inf")])
def test_the_shipped_expressions_find_any_loss_in_the_log(loss: float):
    log = f"some text\n{EvaluationLine(phase='EVAL', loss=loss, correct=9, total=10)}\nbest_eval_loss=7\n"
    found = REGEX["eval_loss_epoch"].findall(log)
    assert found == [f"{loss:.4f}"]
    assert REGEX["eval_accuracy_epoch"].findall(log) == ["90.00"]
    assert REGEX["test_loss"].findall(log) == []


@given(st.integers(1, 999), st.integers(0, 10**7), st.integers(1, 10**7), st.floats(0, 1e6))
def test_train_lines_are_read_back(epoch: int, seen: int, total: int, loss: float):
    line = TrainLine(epoch=epoch, seen=seen, total=total, loss=loss)
    back = read_line(f"prefix {line}")
    assert isinstance(back, TrainLine)
    assert (back.epoch, back.seen, back.total) == (epoch, seen, total)
    assert back.loss == pytest.approx(loss, abs=1e-6)


@given(st.sampled_from(["EVAL", "TEST"]), st.integers(0, 10**6), st.integers(1, 10**6), st.floats(0, 1e6))
def test_evaluation_lines_are_read_back(phase: str, correct: int, total: int, loss: float):
    back = read_line(str(EvaluationLine(phase=phase, loss=loss, correct=correct, total=total)))
    assert isinstance(back, EvaluationLine)
    assert (back.phase, back.correct, back.total) == (phase, correct, total)


def test_other_lines_are_no_metrics():
    assert read_line("reading all 40 pictures once, to find unreadable ones") is None
