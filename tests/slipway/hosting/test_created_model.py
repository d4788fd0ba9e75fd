"""Models without an SDK: what happens where one of the name exists, and their end."""

from types import SimpleNamespace

import pytest

from slipway.aws.connection import Aws
from slipway.aws.dry_run import DryRun
from slipway.aws.refusals import AwsError
from slipway.aws.session import AwsSession
from slipway.errors import SettingError
from slipway.hosting.model import Model
from tests.slipway.sagemaker_account import IMAGE, REGION, ROLE

ADDRESS = "s3://my-dogs/jobs/dogs-1/output/model.tar.gz"
CPU = "ml.c7i.xlarge"


@pytest.fixture
def no_settings(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


def refusing(message: str) -> tuple[AwsSession, DryRun]:
    """A session whose CreateModel is refused."""
    aws, recorded = Aws(REGION, None), DryRun()
    error = {"Error": {"Code": "ValidationException", "Message": message}, "ResponseMetadata": {}}
    aws.events.register_first(
        "before-call.sagemaker.CreateModel", lambda **_: (SimpleNamespace(status_code=400), error)
    )
    return AwsSession(aws, recorded), recorded


def test_a_named_model_that_exists_is_taken_as_it_is(no_settings, caplog):
    session, recorded = refusing("Cannot create already existing model arn:aws:sagemaker:::model/dogs")
    model = Model(ADDRESS, ROLE, IMAGE, name="dogs", sagemaker_session=session)
    model.deploy(instance_type=CPU, endpoint_name="live", wait=False)
    assert [request.operation for request in recorded.writes][1:] == ["CreateEndpointConfig", "CreateEndpoint"]
    assert "using the existing model dogs" in caplog.text


def test_another_refusal_is_an_error_and_nothing_is_left(no_settings):
    session, recorded = refusing("Could not access model data")
    with pytest.raises(AwsError, match="Could not access model data"):
        Model(ADDRESS, ROLE, IMAGE, sagemaker_session=session).deploy(instance_type=CPU, wait=False)
    assert [request.operation for request in recorded.writes] == ["CreateModel", "DeleteModel"]


def test_a_model_is_deleted_once_it_was_created(no_settings):
    recorded = DryRun()
    model = Model(ADDRESS, ROLE, IMAGE, sagemaker_session=AwsSession(Aws(REGION, None), recorded))
    with pytest.raises(SettingError, match=r"the model was not created yet; deploy\(\) or create\(\) does that"):
        model.delete_model()
    model.create(CPU)
    model.delete_model()
    created, deleted = recorded.writes
    assert deleted.parameters == {"ModelName": created.parameters["ModelName"]}


def test_a_models_name_is_checked_before_anything_is_sent(no_settings):
    with pytest.raises(SettingError, match="'my_dogs' cannot be the name of a model"):
        Model(ADDRESS, ROLE, IMAGE, name="my_dogs", sagemaker_session=AwsSession(Aws(REGION, None), DryRun()))
