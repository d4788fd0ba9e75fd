"""Pipelines of version 2 of the SDK take our Estimator and Tuner as steps."""

import json

import boto3
import pytest
from sagemaker.workflow.parameters import ParameterString
from sagemaker.workflow.pipeline import Pipeline
from sagemaker.workflow.pipeline_context import PipelineSession
from sagemaker.workflow.steps import TrainingStep, TuningStep

from slipway.sdk2.estimator import Estimator
from slipway.sdk2.tuner import Tuner
from tests.slipway.sagemaker_account import IMAGE, REGION, ROLE


@pytest.fixture(autouse=True)
def no_settings(monkeypatch, tmp_path):
    """Neither slipway.toml nor images.json of whoever runs the tests."""
    monkeypatch.chdir(tmp_path)


def test_a_pipeline_trains_and_tunes():
    session = PipelineSession(
        boto_session=boto3.Session(region_name=REGION, aws_access_key_id="a", aws_secret_access_key="b"),
        default_bucket="my-dogs",
    )
    data = ParameterString("Pictures", "s3://my-dogs/dogImages/train")
    estimator = Estimator(
        ROLE, "ml.g4dn.xlarge", image_uri=IMAGE, bucket="my-dogs", spot=True, sagemaker_session=session
    )
    steps = [
        TrainingStep("Train", step_args=estimator.fit({"train": data})),
        TuningStep("Tune", step_args=Tuner(estimator).fit({"train": data})),
    ]
    pipeline = Pipeline("dogs", parameters=[data], steps=steps, sagemaker_session=session)
    train, tune = (step["Arguments"] for step in json.loads(pipeline.definition())["Steps"])
    for job in (train, tune["TrainingJobDefinition"]):
        [channel] = job["InputDataConfig"]
        assert channel["DataSource"]["S3DataSource"]["S3Uri"] == {"Get": "Parameters.Pictures"}
        assert job["AlgorithmSpecification"]["TrainingImage"] == IMAGE
        assert job["EnableManagedSpotTraining"] is True
