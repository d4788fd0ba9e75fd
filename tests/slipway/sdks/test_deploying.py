"""The same script under version 2 of the SDK, under version 3, and without either makes the same requests."""

import json
import os
import subprocess
from types import SimpleNamespace
from typing import Any

import pytest

import slipway
from slipway.aws.session import AwsSession, aws_session
from slipway.batch_transform.transformer import Transformer
from slipway.hosting.model import Model
from slipway.hosting.multi_model import MultiModel
from slipway.hosting.predictor import Predictor
from tests.sdk3 import python_with_version_3, search_path
from tests.slipway.sdks import deploying

WITHOUT = SimpleNamespace(Model=Model, MultiModel=MultiModel, Predictor=Predictor, Transformer=Transformer)


@pytest.fixture(autouse=True)
def no_settings(monkeypatch, tmp_path):
    """Neither slipway.toml nor credentials of whoever runs the tests."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    for name in ("SLIPWAY_ROLE", "SLIPWAY_BUCKET", "SLIPWAY_SERVE_IMAGE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def version_3(tmp_path_factory) -> dict[str, Any]:
    """What the script did where version 3 is installed."""
    folder = tmp_path_factory.mktemp("sdk3")
    out = folder / "requests.json"
    environment = {**os.environ, "PYTHONPATH": search_path(folder), "XDG_CONFIG_HOME": str(folder)}
    command = [python_with_version_3(), "-m", "tests.slipway.sdks.deploying", out]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(out.read_text()))


@pytest.mark.parametrize("way", deploying.WAYS, ids=lambda way: way.__name__)
def test_the_requests_are_the_same_whichever_sdk_is_installed(way, version_3):
    plain = deploying.requests_of(way, WITHOUT, AwsSession)
    assert plain
    assert deploying.requests_of(way, slipway, lambda aws, recorded: aws_session(aws, recorded)) == plain
    assert version_3["requests"][way.__name__] == plain


def test_each_sdk_has_classes_of_its_own(version_3):
    from sagemaker.model import Model as Version2

    assert issubclass(slipway.Model, Version2)
    assert issubclass(slipway.Model, Model)
    assert version_3["module"] == "slipway.sdk3.model"
    assert version_3["status"] == "InService"
