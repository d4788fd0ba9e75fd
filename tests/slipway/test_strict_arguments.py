"""Arguments that nothing takes are refused, by every class and method that hands some on to the SDK."""

import pytest

from slipway import Estimator, Model, Predictor, Tuner
from slipway.batch_transform.transformer import Transformer
from slipway.checks.arguments import known_arguments


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("max_runtime", "max_run"),
        ("subnet", "subnets"),
        ("network_isolation", "enable_network_isolation"),
        ("kms_key", "kms_key"),
        ("use_spot", "spot"),
    ],
)
def test_an_estimators_misnamed_argument_is_not_dropped(given: str, meant: str):
    with pytest.raises(TypeError) as caught:
        Estimator(instance_type="local", **{given: True})
    assert str(caught.value).startswith(f"Estimator() has no argument {given!r}; did you mean '")
    assert meant in str(caught.value)


@pytest.mark.parametrize(
    "call",
    [
        lambda: Model("s3://bucket/model.tar.gz", predictor_class=None),
        lambda: Predictor("dogs", serialiser=None),
        lambda: Transformer("dogs", max_payload_mb=1),
        lambda: Tuner(None, max_job=3),
        lambda: Model.deploy(None, kms_keys=""),
        lambda: object.__new__(Estimator).deploy(capture_percentage=5),
        lambda: object.__new__(Estimator).transformer(acept=""),
    ],
    ids=["Model", "Predictor", "Transformer", "Tuner", "deploy", "of a job", "transformer"],
)
def test_a_misnamed_argument_is_refused_with_the_nearest_name(call):
    with pytest.raises(TypeError, match=r"\(\) has no argument '\w+'; did you mean '\w+'\?$"):
        call()


def test_the_sdks_own_arguments_are_known():
    assert {"volume_kms_key", "keep_alive_period_in_seconds", "environment"} <= known_arguments(Estimator, "__init__")
    assert {"inference_ami_version", "kms_key", "capture_percent"} <= known_arguments(Model, "deploy")
