"""Slipway's classes as those of version 2 of the SDK: its own arguments, and its pipelines."""

import json

import boto3
import pytest
from sagemaker.serverless import ServerlessInferenceConfig
from sagemaker.workflow.model_step import ModelStep
from sagemaker.workflow.parameters import ParameterString
from sagemaker.workflow.pipeline import Pipeline
from sagemaker.workflow.pipeline_context import PipelineSession
from sagemaker.workflow.steps import TransformStep

from slipway import Model, Predictor, Transformer
from slipway.errors import SettingError
from slipway.hosting.kinds import Serverless
from tests.slipway.sagemaker_account import IMAGE, REGION, ROLE, DryAccount

ADDRESS = "s3://my-dogs/jobs/dogs-1/output/model.tar.gz"
CPU = "ml.c7i.xlarge"


def test_an_argument_that_only_the_sdk_has_is_passed_on(account: DryAccount):
    model = Model(ADDRESS, ROLE, IMAGE, sagemaker_session=account.session)
    with pytest.raises(SettingError, match="capture_percent is Slipway's, and cannot be given with accept_eula"):
        model.deploy(instance_type=CPU, accept_eula=True, capture_percent=5)
    assert account.made == []
    predictor = model.deploy(instance_type=CPU, endpoint_name="dogs", accept_eula=True, tags={"team": "v"}, wait=False)
    assert isinstance(predictor, Predictor)
    assert account.made == ["CreateModel", "CreateEndpointConfig", "CreateEndpoint"]
    source = account.body("CreateModel")["PrimaryContainer"]["ModelDataSource"]["S3DataSource"]
    assert source["ModelAccessConfig"] == {"AcceptEula": True}
    assert {tag["Key"] for tag in account.body("CreateEndpoint")["Tags"]} == {"team", "slipway"}


def test_slipways_configurations_and_the_sdks_are_both_taken(account: DryAccount):
    found, expected = [], {"MemorySizeInMB": 3072, "MaxConcurrency": 7}
    for config in (Serverless(3072, 7), ServerlessInferenceConfig(3072, 7), expected):
        Model(ADDRESS, ROLE, IMAGE, sagemaker_session=account.session).deploy(
            serverless_inference_config=config, wait=False
        )
        found.append(account.body("CreateEndpointConfig")["ProductionVariants"][0]["ServerlessConfig"])
    assert found == [expected] * 3
    with pytest.raises(TypeError, match="a int is not a configuration"):
        Model(ADDRESS, ROLE, IMAGE, sagemaker_session=account.session).deploy(serverless_inference_config=3)


def test_a_pipeline_creates_the_model_and_transforms_with_it(account: DryAccount):
    session = PipelineSession(
        boto_session=boto3.Session(region_name=REGION, aws_access_key_id="a", aws_secret_access_key="b"),
        default_bucket="my-dogs",
    )
    data = ParameterString("Pictures", "s3://my-dogs/dogImages/test")
    model = Model(ADDRESS, ROLE, IMAGE, sagemaker_session=session)
    created = ModelStep("Create", step_args=model.create(instance_type=CPU))
    transformer = Transformer(
        created.properties.ModelName, instance_type=CPU, output_path="s3://my-dogs/out", sagemaker_session=session
    )
    predicted = TransformStep("Predict", step_args=transformer.transform(data))
    pipeline = Pipeline("dogs", parameters=[data], steps=[created, predicted], sagemaker_session=session)
    create, predict = (step["Arguments"] for step in json.loads(pipeline.definition())["Steps"])
    assert create["PrimaryContainer"]["ModelDataUrl"] == ADDRESS
    assert predict["ModelName"] == {"Get": "Steps.Create-CreateModel.ModelName"}
    assert predict["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"] == {"Get": "Parameters.Pictures"}
    assert predict["TransformOutput"] == {"S3OutputPath": "s3://my-dogs/out", "Accept": "application/jsonlines"}
