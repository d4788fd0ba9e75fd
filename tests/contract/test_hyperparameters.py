import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from container.contract.errors import HyperparameterError
from container.contract.hyperparameters import HYPERPARAMETERS, TrainConfig

BY_NAME = {row.name: row for row in HYPERPARAMETERS}


def test_the_set_of_hyperparameters_is_frozen():
    """Job definitions rely on these names and defaults: a change here is a decision, and one for the changelog."""
    assert {row.name: row.default for row in HYPERPARAMETERS} == {
        "model-type": "resnet50",
        "epochs": 20,
        "batch-size": 64,
        "opt-learning-rate": 1e-4,
        "opt-weight-decay": 1e-4,
        "lr-sched-step-size": 6,
        "lr-sched-gamma": 0.5,
        "early-stopping-patience": 100,
        "use-cuda": True,
        "debug": False,
        "wandb": False,
        "weights": "default",
        "image-size": 0,
        "augmentation": "default",
        "class-weights": True,
        "freeze-epochs": 0,
        "label-smoothing": 0.0,
        "amp": "auto",
        "compile": False,
        "num-workers": -1,
        "seed": 0,
        "profile": True,
        "checkpoint-every": 1,
        "checkpoint-minutes": 10.0,
        "cache": "auto",
        "bad-images": "skip",
    }


@pytest.mark.parametrize(
    ("name", "sent", "read"),
    [
        # SDK v2 encodes every value as JSON, v3 leaves strings bare, Step Functions encodes nothing, tuning jobs quote.
        ("epochs", "5", 5),
        ("epochs", '"5"', 5),
        ("epochs", "007", 7),
        ("epochs", "32.0", 32),
        ("epochs", 5, 5),
        ("epochs", "null", 20),
        ("opt-learning-rate", "0.1", 0.1),
        ("opt-learning-rate", "1e-4", 1e-4),
        ("opt-learning-rate", '"1e-05"', 1e-5),
        ("opt-learning-rate", "1", 1.0),
        ("model-type", "resnet18", "resnet18"),
        ("model-type", '"resnet18"', "resnet18"),
        ("model-type", '"\\"resnet18\\""', "resnet18"),
        ("use-cuda", "true", True),
        ("use-cuda", "True", True),
        ("use-cuda", '"false"', False),
        ("use-cuda", "0", False),
        ("use-cuda", False, False),
    ],
)
def test_values_are_read_in_every_form_that_clients_send(name: str, sent: object, read: object):
    parsed = BY_NAME[name].parse(sent)
    assert parsed == read
    assert type(parsed) is type(read)


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("epochs", ""),
        ("epochs", "0"),
        ("epochs", "2.5"),
        ("epochs", "true"),
        ("epochs", "[1, 2]"),
        ("epochs", "1_000"),
        ("batch-size", "-4"),
        ("opt-learning-rate", "0"),
        ("opt-learning-rate", "nan"),
        ("opt-learning-rate", "Infinity"),
        ("opt-learning-rate", "fast"),
        ("model-type", "VGG 16"),
        ("use-cuda", "maybe"),
        ("use-cuda", "2"),
        ("bad-images", "ignore"),
    ],
)
def test_a_wrong_value_names_the_hyperparameter_the_value_and_what_is_allowed(name: str, sent: str):
    with pytest.raises(HyperparameterError) as caught:
        TrainConfig.from_strings({name: sent})
    assert f"hyperparameter {name} is {sent!r}" in str(caught.value)
    row = BY_NAME[name]
    assert row.type is bool or all(allowed in str(caught.value) for allowed in row.choices or [row.range])


@pytest.mark.parametrize(
    ("sent", "near"),
    [
        ("batchsize", "batch-size"),
        ("learning-rate", "opt-learning-rate"),
        ("early_stopping", "early-stopping-patience"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest_known_one(sent: str, near: str):
    with pytest.raises(HyperparameterError, match=f"no hyperparameter {sent}; did you mean {near}"):
        TrainConfig.from_strings({sent: "1"})


def test_what_sagemaker_adds_for_itself_is_left_alone():
    config = TrainConfig.from_strings(
        {
            "epochs": "3",
            "_tuning_objective_metric": "eval_loss_epoch",
            "sagemaker_program": '"train.py"',
            "sagemaker_submit_directory": '"s3://bucket/code.tar.gz"',
            "sagemaker_estimator_class_name": '"Estimator"',
        }
    )
    assert config == TrainConfig(epochs=3)


def test_fp16_without_a_gpu_is_refused():
    with pytest.raises(HyperparameterError, match="amp is fp16, which needs a GPU"):
        TrainConfig.from_strings({"amp": "fp16", "use-cuda": "false"})


@given(st.dictionaries(st.sampled_from(sorted(BY_NAME)) | st.text(max_size=12), st.text(max_size=12) | st.integers()))
def test_any_strings_give_a_configuration_or_one_clear_error(values: dict[str, object]):
    try:
        config = TrainConfig.from_strings(values)
    except HyperparameterError:
        return
    assert TrainConfig.from_strings(config.to_strings()) == config


@given(st.builds(lambda value: value, st.floats(min_value=1e-12, max_value=10)))
def test_learning_rates_survive_every_encoding(value: float):
    for text in (repr(value), json.dumps(value), json.dumps(repr(value))):
        assert TrainConfig.from_strings({"opt-learning-rate": text}).opt_learning_rate == value
