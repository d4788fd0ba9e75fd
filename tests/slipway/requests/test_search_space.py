"""Ranges of hyperparameters: read from the shell, checked against the table, and completed."""

import pytest

from container.contract.errors import HyperparameterError, UserError
from slipway.requests.search_space import DEFAULT_SPACE, Choices, NumberRange, complete, parse_range, require_choices
from slipway.tuning.plan import with_strategy
from slipway.tuning.strategy import hyperband_epochs, job_count


def test_the_default_is_the_seed_projects_search():
    assert {
        "epochs": NumberRange(low=20, high=40, whole=True),
        "batch-size": Choices(values=(16, 32, 64)),
        "opt-learning-rate": NumberRange(low=1e-5, high=1e-4, scale="log"),
        "opt-weight-decay": NumberRange(low=1e-5, high=1e-3, scale="log"),
    } == DEFAULT_SPACE


@pytest.mark.parametrize(
    ("text", "name", "entry"),
    [
        ("epochs=20:40", "epochs", NumberRange(low=20, high=40, whole=True)),
        ("batch-size=16,32, 64", "batch-size", Choices(values=(16, 32, 64))),
        ("model-type=resnet18,resnet50", "model-type", Choices(values=("resnet18", "resnet50"))),
        ("recipe=seed,modern", "recipe", Choices(values=("seed", "modern"))),
        ("layer-decay=0.6:1", "layer-decay", NumberRange(low=0.6, high=1)),
        ("class-weights=true,false", "class-weights", Choices(values=(True, False))),
        ("label-smoothing=0:0.2", "label-smoothing", NumberRange(low=0, high=0.2)),
        ("lr-sched-gamma=0.1:0.9:log", "lr-sched-gamma", NumberRange(low=0.1, high=0.9, scale="log")),
        ("opt-learning-rate=1e-5:1e-3", "opt-learning-rate", NumberRange(low=1e-5, high=1e-3, scale="log")),
        ("opt-learning-rate=1e-5:1e-3:linear", "opt-learning-rate", NumberRange(low=1e-5, high=1e-3)),
        ("opt-weight-decay=0:1e-3", "opt-weight-decay", NumberRange(low=0, high=1e-3)),
    ],
)
def test_ranges_as_they_are_written_on_the_shell(text, name, entry):
    assert parse_range(text) == (name, entry)
    assert parse_range(f"{name}={entry}") == (name, entry)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epochs", "has no values; write NAME=LOW:HIGH"),
        ("epochs=", "has no values"),
        ("epochs=20:40:cubic", "ends in 'cubic'; after LOW:HIGH goes log, linear or nothing"),
        ("epoch=20:40", "there is no hyperparameter epoch; did you mean epochs?"),
        ("_tuning_objective_metric=a,b", "a key of SageMaker's own"),
        ("epochs=0:40", "hyperparameter epochs is '0'; it must be a whole number"),
        ("batch-size=16,32,1e9", "hyperparameter batch-size is '1e9'"),
        ("epochs=40:20", "begins at 40 and ends at 20; the lower end goes first"),
        ("opt-weight-decay=0:1e-3:log", "only numbers above 0 have a logarithm"),
        ("amp=auto:off", "amp is not a number and has no range; list its values: amp=auto,off,bf16,fp16"),
        ("model-type=a:b", "model-type is not a number and has no range; list its values: model-type=VALUE,VALUE"),
        ("batch-size=16,32,16", "a value of batch-size is listed twice"),
    ],
)
def test_a_range_that_cannot_be_is_refused_with_what_to_write(text, message):
    with pytest.raises(UserError, match=message.replace("(", r"\(").replace("?", r"\?")):
        parse_range(text)


def test_a_fixed_hyperparameter_leaves_the_default_search():
    assert list(complete({}, {"epochs": "10", "model-type": "resnet18"})) == [
        "batch-size",
        "opt-learning-rate",
        "opt-weight-decay",
    ]


def test_a_hyperparameter_cannot_be_fixed_and_searched():
    with pytest.raises(UserError, match="epochs has both a value and a range"):
        complete(dict([parse_range("epochs=5:10")]), {"epochs": "10"})


def test_something_must_be_left_to_search():
    with pytest.raises(UserError, match="nothing is left to tune"):
        complete({}, dict.fromkeys(DEFAULT_SPACE, "1"))


def test_each_end_must_go_together_with_the_fixed_hyperparameters():
    with pytest.raises(HyperparameterError, match="amp is fp16, which needs a GPU"):
        complete(dict([parse_range("amp=off,fp16")]), {"use-cuda": "false"})


def test_values_of_two_ranges_must_go_together_too():
    with pytest.raises(HyperparameterError, match="warmup-epochs is 2, but lr-schedule is step"):
        complete(dict(map(parse_range, ("lr-schedule=cosine,step", "warmup-epochs=0:2"))), {"recipe": "modern"})
    with pytest.raises(HyperparameterError, match="but resnet50 has no stochastic depth"):
        complete(dict(map(parse_range, ("model-type=convnext_tiny,resnet50", "drop-path=0:0.3"))), {})


def test_hyperband_decides_on_the_epochs_up_to_the_ranges_upper_end():
    space, fixed = with_strategy("Hyperband", {}, {"model-type": "resnet18"})
    assert "epochs" not in space
    assert fixed == {"model-type": "resnet18", "epochs": "40"}
    assert (hyperband_epochs(40).least, hyperband_epochs(40).most) == (4, 40)
    assert hyperband_epochs(3).least == 1


def test_a_grid_wants_lists_and_has_as_many_jobs_as_points():
    space = dict(map(parse_range, ("batch-size=16,32", "epochs=5,10,20")))
    assert job_count("Grid", space, None) == job_count("Grid", space, 6) == 6
    with pytest.raises(UserError, match="the grid has 6 points and all of them are tried"):
        job_count("Grid", space, 20)
    with pytest.raises(UserError, match=r"opt-learning-rate has a range; list values, such as --range .*=1e-05,3"):
        require_choices(dict([parse_range("opt-learning-rate=1e-5:1e-4")]))
