"""What is made of trials: their ranking, the table, the importances, and a sweep's other forms."""

import random

import pytest

from container.contract.errors import UserError
from slipway.requests.objective import objective
from slipway.requests.search_space import parse_range
from slipway.tune.sweep import sweep_configuration
from slipway.tuning.importance import LEAST_TRIALS, importances
from slipway.tuning.plan import FILE, read_plan
from slipway.tuning.table import show_time, table
from slipway.tuning.trial import Trial, Tuning

LOSS, ACCURACY = objective("eval_loss_epoch"), objective("eval_accuracy_epoch")


def trial(name: str, value: float | None, status: str = "completed", **hyperparameters: object) -> Trial:
    return Trial(name=name, hyperparameters=hyperparameters, status=status, objective=value)


def tuning(trials, goal=LOSS, **more) -> Tuning:
    return Tuning(name="dogs", objective=goal, strategy="Bayesian", trials=trials, **more)


MIXED = [
    trial("good", 0.4),
    trial("early", 0.1, "stopped early"),
    trial("broken", None, "failed"),
    trial("best", 0.3),
]


def test_what_was_stopped_early_stands_behind_what_completed():
    assert [entry.name for entry in tuning(MIXED).ranked] == ["best", "good", "early", "broken"]
    assert tuning(MIXED).best.name == "best"


def test_accuracies_rank_the_other_way():
    assert [entry.name for entry in tuning(MIXED, ACCURACY).ranked] == ["good", "best", "early", "broken"]


def test_the_best_is_what_sagemaker_calls_the_best():
    assert tuning(MIXED, best_name="early").best.name == "early"
    assert tuning(MIXED, best_name="early").ranked[0].name == "early"


def test_without_a_completed_trial_there_is_no_best():
    assert tuning(MIXED[1:3]).best is None


def test_the_table_has_a_column_for_each_tuned_hyperparameter():
    titles, rows = table(tuning([trial("a", 0.5, epochs=20, rate=4.25e-5), trial("b", 0.25, epochs=40, rate=1e-4)]))
    assert titles == ["", "trial", "eval_loss_epoch", "epochs", "rate", "status"]
    assert rows == [
        ["1", "b", "0.2500", "40", "0.0001", "completed"],
        ["2", "a", "0.5000", "20", "4.25e-05", "completed"],
    ]


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, ""), (5.4, "5 s"), (89, "89 s"), (150, "2 min"), (3600 * 2 + 240, "2 h 04 min")]
)
def test_times_are_short(seconds, text):
    assert show_time(seconds) == text


def test_importance_finds_what_the_objective_goes_with():
    numbers = random.Random(0)
    trials = []
    for number in range(30):
        rate, decay, size = numbers.random(), numbers.random(), numbers.choice((16, 32, 64))
        trials.append(trial(str(number), 10**rate + 4 * (size == 32), rate=rate, decay=decay, size=size, same=1))
    shares = importances(tuning(trials))
    assert list(shares)[:2] == ["rate", "size"]
    assert shares["rate"] > 0.5 > shares["size"] > 0.1
    assert shares["decay"] < 0.1
    assert shares["same"] == 0


def test_a_hyperparameter_that_decides_alone_has_all_of_it():
    shares = importances(tuning([trial(str(number), float(number), x=number / 100) for number in range(10)]))
    assert shares == {"x": pytest.approx(1)}


def test_few_trials_say_nothing():
    assert importances(tuning([trial(str(n), float(n), x=n) for n in range(LEAST_TRIALS - 1)])) == {}


@pytest.mark.parametrize(
    ("text", "parameter"),
    [
        ("batch-size=16,32", {"values": [16, 32]}),
        ("class-weights=true,false", {"values": [True, False]}),
        ("label-smoothing=0:0.2", {"distribution": "uniform", "min": 0, "max": 0.2}),
        ("epochs=10:80:log", {"distribution": "q_log_uniform_values", "min": 10, "max": 80, "q": 1}),
    ],
)
def test_ranges_as_a_sweep_has_them(text, parameter):
    name, entry = parse_range(text)
    sweep = sweep_configuration(
        ACCURACY, "Random", {name: entry}, ["slipway", "train", "dogs"], most_epochs=20, run_cap=5
    )
    assert sweep["method"] == "random"
    assert sweep["metric"]["goal"] == "maximize"
    assert sweep["parameters"] == {name: parameter}


def test_a_sweep_over_a_grid_ends_no_run_early():
    space = dict([parse_range("batch-size=16,32")])
    sweep = sweep_configuration(LOSS, "Grid", space, ["slipway", "train", "dogs"], most_epochs=20, run_cap=2)
    assert sweep["method"] == "grid"
    assert "early_terminate" not in sweep


@pytest.mark.parametrize("content", ["", "{}", '{"objective": 1}', "[]"])
def test_a_damaged_study_is_named(content, tmp_path):
    (tmp_path / FILE).write_text(content)
    with pytest.raises(UserError, match=r"study.json cannot be read as a study's"):
        read_plan(tmp_path)
