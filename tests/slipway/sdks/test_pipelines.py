"""Pipelines of both versions of the SDK take our Estimator, Tuner, Model and Transformer as steps."""

import json
import os
import subprocess
from typing import Any

import pytest
from sagemaker.workflow.parameters import ParameterInteger

import slipway
from slipway.errors import SearchSpaceError
from tests.sdk3 import python_with_version_3, search_path
from tests.slipway.sdks import pipeline


@pytest.fixture(autouse=True)
def no_settings(monkeypatch, tmp_path):
    """Neither slipway.toml nor images.json of whoever runs the tests."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def version_3(tmp_path_factory) -> list[dict[str, Any]]:
    """The definitions where version 3 is installed, whose import needs a region."""
    folder = tmp_path_factory.mktemp("sdk3")
    out = folder / "definitions.json"
    environment = {
        **os.environ, "PYTHONPATH": search_path(folder), "XDG_CONFIG_HOME": str(folder), "AWS_ACCESS_KEY_ID": "unused",
        "AWS_SECRET_ACCESS_KEY": "unused", "AWS_DEFAULT_REGION": pipeline.REGION,
    }  # fmt: skip
    command = [python_with_version_3(), "-m", "tests.slipway.sdks.pipeline", out]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return list(json.loads(out.read_text()))


def steps_of(definition: dict[str, Any]) -> dict[str, Any]:
    return {step["Name"]: step for step in definition["Steps"]}


def test_a_pipeline_trains_tunes_creates_the_model_and_transforms_with_it():
    definition = pipeline.trained_and_served()
    found = {name: step["Arguments"] for name, step in steps_of(definition).items()}
    train, tune, create, predict = found.values()
    search = tune["TrainingJobDefinition"]
    for job, hyperparameters in ((train, train["HyperParameters"]), (search, search["StaticHyperParameters"])):
        [channel] = job["InputDataConfig"]
        assert channel["DataSource"]["S3DataSource"]["S3Uri"] == {"Get": "Parameters.Pictures"}
        assert job["AlgorithmSpecification"]["TrainingImage"] == f"{pipeline.IMAGE}:train"
        assert job["EnableManagedSpotTraining"] is True
        assert hyperparameters == {"model-type": "resnet18", "epochs": {"Get": "Parameters.Epochs"}}
    assert create["PrimaryContainer"]["ModelDataUrl"] == {"Get": "Steps.Train.ModelArtifacts.S3ModelArtifacts"}
    assert predict["ModelName"] == {"Get": "Steps.Create-CreateModel.ModelName"}
    assert predict["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"] == "s3://my-dogs/dogImages/test"
    assert predict["TransformOutput"] == {"S3OutputPath": "s3://my-dogs/out", "Accept": "application/jsonlines"}


def test_the_pipeline_is_the_same_whichever_sdk_is_installed(version_3):
    of_version_2 = json.dumps(steps_of(pipeline.trained_and_served()))
    # Version 2 adds to the name of a ModelStep what it does.
    assert steps_of(version_3[0]) == json.loads(of_version_2.replace("Create-CreateModel", "Create"))


def test_version_3s_own_classes_of_our_settings_are_steps_too(version_3):
    train, tune = (step["Arguments"] for step in steps_of(version_3[1]).values())
    assert train["AlgorithmSpecification"]["TrainingImage"] == f"{pipeline.IMAGE}:train"
    assert train["HyperParameters"] == {"model-type": "resnet18"}
    assert tune["HyperParameterTuningJobConfig"]["Strategy"] == "Bayesian"


def test_hyperband_needs_epochs_that_are_known():
    estimator = slipway.Estimator(
        pipeline.ROLE, "ml.g4dn.xlarge", image_uri=f"{pipeline.IMAGE}:train", bucket="my-dogs",
        sagemaker_session=pipeline.pipeline_session(), hyperparameters={"epochs": ParameterInteger("Epochs", 5)},
    )  # fmt: skip
    with pytest.raises(SearchSpaceError, match="the epochs, which cannot be a pipeline's parameter then"):
        slipway.Tuner(estimator, strategy="Hyperband")
