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
        "recipe": "seed",
        "epochs": 20,
        "budget": 0.0,
        "batch-size": 64,
        "optimizer": "adamw",
        "opt-learning-rate": 1e-4,
        "opt-weight-decay": 1e-4,
        "lr-schedule": "step",
        "warmup-epochs": 0.0,
        "lr-sched-step-size": 6,
        "lr-sched-gamma": 0.5,
        "layer-decay": 1.0,
        "drop-path": 0.0,
        "clip-grad": 0.0,
        "ema-decay": 0.0,
        "early-stopping-patience": 100,
        "use-cuda": True,
        "debug": False,
        "wandb": False,
        "weights": "default",
        "image-size": 0,
        "progressive-sizes": 1.0,
        "augmentation": "default",
        "rand-magnitude": 9,
        "random-erasing": 0.0,
        "mixup": 0.0,
        "cutmix": 0.0,
        "class-weights": True,
        "probe": "off",
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
        "export": True,
        "calibrate": True,
        "int8": False,
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
        ("budget", "90s", 1.5),
        ("budget", '"10m"', 10.0),
        ("budget", "1.5 h", 90.0),
        ("budget", "2", 2.0),
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
        ("budget", "soon"),
        ("budget", "-1m"),
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


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({}, {"recipe": "seed", "optimizer": "adamw", "lr-schedule": "step", "opt-learning-rate": "0.0001"}),
        ({"recipe": "modern"}, {"lr-schedule": "cosine", "warmup-epochs": "1.0", "opt-learning-rate": "0.001"}),
        (
            {"recipe": "modern", "label-smoothing": "0", "ema-decay": "null"},
            {"label-smoothing": "0.0", "ema-decay": "0.999"},
        ),
        ({"recipe": "modern"}, {"augmentation": "trivial", "random-erasing": "0.1", "mixup": "0.0", "cutmix": "0.0"}),
        ({"recipe": "modern", "augmentation": "light"}, {"random-erasing": "0.0"}),
        ({"recipe": "modern", "lr-schedule": "step"}, {"warmup-epochs": "0.0", "lr-sched-step-size": "6"}),
        ({"model-name": "vit_tiny_patch16_224"}, {"recipe": "modern", "drop-path": "0.1"}),
        ({"recipe": "modern"}, {"model-type": "resnet50", "drop-path": "0.0"}),
        ({"model-type": "regnety_032", "recipe": "seed"}, {"lr-schedule": "step", "drop-path": "0.0"}),
        ({"recipe": "modern", "weights": "none"}, {"probe": "off"}),
        ({"optimizer": "sgd"}, {"recipe": "seed", "opt-learning-rate": "0.01"}),
        ({"recipe": "modern", "optimizer": "sgd", "opt-learning-rate": "0.3"}, {"opt-learning-rate": "0.3"}),
    ],
)
def test_the_recipe_sets_what_is_not_given(given: dict[str, str], wanted: dict[str, str]):
    found = TrainConfig.from_strings(given).to_strings()
    assert {name: found[name] for name in wanted} == wanted


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"recipe": "modern", "lr-sched-step-size": "3"}, "lr-sched-step-size is 3, but lr-schedule is cosine"),
        ({"lr-schedule": "cosine", "lr-sched-gamma": "0.1"}, "lr-sched-gamma is 0.1, but lr-schedule is cosine"),
        ({"drop-path": "0.2"}, "drop-path is 0.2, but resnet50 has no stochastic depth"),
        ({"probe": "first", "weights": "none"}, "probe is first, but weights is none"),
        ({"probe": "only", "freeze-epochs": "1"}, "freeze-epochs is 1, but probe is only"),
        ({"probe": "only", "mixup": "0.2"}, "mixup is 0.2, but probe is only, after which no epochs follow"),
        ({"probe": "only", "cutmix": "1"}, "cutmix is 1, but probe is only"),
        ({"probe": "only", "progressive-sizes": "0.5"}, "progressive-sizes is 0.5, but probe is only"),
        ({"warmup-epochs": "2"}, "warmup-epochs is 2, but lr-schedule is step"),
    ],
)
def test_options_that_contradict_each_other_are_named(given: dict[str, str], message: str):
    with pytest.raises(HyperparameterError, match=message):
        TrainConfig.from_strings(given)


def test_fp16_without_a_gpu_is_refused():
    with pytest.raises(HyperparameterError, match="amp is fp16, which needs a GPU"):
        TrainConfig.from_strings({"amp": "fp16", "use-cuda": "false"})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"rand-magnitude": "12"}, "rand-magnitude is 12, but augmentation is default; set augmentation to rand"),
        ({"mixup": "0.2", "batch-size": "1"}, "mixup mixes the pictures of a batch, but batch-size is 1"),
        ({"progressive-sizes": "0.5", "epochs": "1"}, "progressive-sizes is 0.5, but epochs is 1"),
        ({"progressive-sizes": "0.5", "budget": "10m"}, "progressive-sizes is 0.5, but with a budget the job chooses"),
        ({"progressive-sizes": "0.5", "image-size": "32"}, "progressive-sizes is 0.5, but image-size is 32"),
    ],
)
def test_augmentation_that_contradicts_another_setting_is_refused(values: dict[str, str], message: str):
    with pytest.raises(HyperparameterError, match=message):
        TrainConfig.from_strings(values)


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
