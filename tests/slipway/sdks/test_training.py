"""The same script under version 2 of the SDK, under version 3, and without either makes the same requests."""

import json
import os
import subprocess
from types import SimpleNamespace
from typing import Any

import pytest
from sagemaker.estimator import Estimator as Version2

from slipway.aws.session import AwsSession, aws_session
from slipway.sdk2.estimator import Estimator as OfVersion2
from slipway.sdk2.tuner import Tuner as TunerOfVersion2
from slipway.training.estimator import Estimator
from slipway.tuning.tuner import Tuner
from tests.sdk3 import python_with_version_3, search_path
from tests.slipway.sdks import training

WITHOUT = SimpleNamespace(Estimator=Estimator, Tuner=Tuner)
VERSION_2 = SimpleNamespace(Estimator=OfVersion2, Tuner=TunerOfVersion2)


@pytest.fixture(autouse=True)
def no_settings(monkeypatch, tmp_path):
    """Neither slipway.toml nor credentials of whoever runs the tests."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    for name in ("SLIPWAY_ROLE", "SLIPWAY_BUCKET", "SLIPWAY_TRAIN_IMAGE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def version_3(tmp_path_factory) -> dict[str, Any]:
    """What the script did where version 3 is installed."""
    folder = tmp_path_factory.mktemp("sdk3")
    out = folder / "requests.json"
    environment = {
        **os.environ, "PYTHONPATH": search_path(folder), "XDG_CONFIG_HOME": str(folder), "AWS_ACCESS_KEY_ID": "unused",
        "AWS_SECRET_ACCESS_KEY": "unused",
    }  # fmt: skip
    command = [python_with_version_3(), "-m", "tests.slipway.sdks.training", out]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(out.read_text()))


@pytest.mark.parametrize("way", training.WAYS, ids=lambda way: way.__name__)
def test_the_requests_are_the_same_whichever_sdk_is_installed(way, version_3):
    plain = training.requests_of(way, WITHOUT, AwsSession)
    assert plain
    assert training.requests_of(way, VERSION_2, aws_session) == plain
    assert version_3["requests"][way.__name__] == plain


def test_each_sdk_has_classes_of_its_own(version_3):
    assert issubclass(OfVersion2, Version2)
    assert version_3["module"] == "slipway.sdk3.estimator"


def test_version_3s_own_classes_ask_for_the_same(version_3):
    trained, tuned = (
        [body for request in found for operation, body in request.items() if operation.startswith("sagemaker:Create")]
        for found in version_3["sdk"]
    )
    own, trainers = trained
    assert trainers.pop("TrainingJobName").startswith("slipway-resnet50-")
    del own["TrainingJobName"]
    assert trainers["OutputDataConfig"].pop("CompressionType") == "GZIP"  # the API's default
    assert trainers == own
    own, tuners = tuned
    definition = tuners["TrainingJobDefinition"]
    assert definition["OutputDataConfig"].pop("CompressionType") == "GZIP"
    # The API takes the instances under either name.
    definition["HyperParameterTuningResourceConfig"] = definition.pop("ResourceConfig")
    assert tuners == own
