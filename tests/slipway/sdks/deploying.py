"""One script that deploys, asks and transforms in many ways; as a program it writes the requests as JSON."""

import io
import json
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from slipway.aws.connection import Aws
from slipway.aws.dry_run import DryRun
from slipway.hosting.autoscaling import Autoscaling
from slipway.hosting.kinds import Asynchronous, Capture, Serverless
from slipway.hosting.rollout import Rollout
from slipway.hosting.variants import ProductionVariant, deploy_variants

ROLE = "arn:aws:iam::111122223333:role/slipway-execution"
IMAGE = "111122223333.dkr.ecr.eu-west-1.amazonaws.com/slipway:serve-3f2a"
ADDRESS = "s3://my-dogs/jobs/dogs-1/output/model.tar.gz"
GPU, CPU = "ml.g4dn.xlarge", "ml.c7i.xlarge"
VPC = {"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}
KEY = "arn:aws:kms:eu-west-1:111122223333:key/1"

# The time in a name; two requests of one run may differ in it.
_TIME = re.compile(r"\d{4}(-\d\d){5}-\d{3}")


def real_time(slipway: Any, session: Any) -> None:
    """Create an endpoint with all that a real-time one can have."""
    model = slipway.Model(
        ADDRESS, ROLE, IMAGE, env={"SLIPWAY_TOP_K": "3"}, name="dogs-model", vpc_config=VPC,
        enable_network_isolation=True, image_config={"RepositoryAccessMode": "Platform"}, sagemaker_session=session,
    )  # fmt: skip
    predictor = model.deploy(
        2, GPU, endpoint_name="dogs", tags={"team": "vision"}, kms_key=KEY, capture_percent=20, volume_size=40,
        model_data_download_timeout=1200, container_startup_health_check_timeout=600,
        routing_config={"RoutingStrategy": "LEAST_OUTSTANDING_REQUESTS"},
        inference_ami_version="al2-ami-sagemaker-inference-gpu-3-1", autoscaling=Autoscaling.parse("1:4"),
        show=lambda line: None,
    )  # fmt: skip
    predictor.predict(b"picture", target_variant="AllTraffic", inference_id="7")
    predictor.predict([b"one", b"two"], custom_attributes="a=b")
    predictor.delete()


def plain(slipway: Any, session: Any) -> None:
    """Create an endpoint with all defaults, and delete it in the SDK's words."""
    predictor = slipway.Model(ADDRESS, ROLE, IMAGE, sagemaker_session=session).deploy(instance_type=CPU, wait=False)
    predictor.delete_endpoint()


def serverless(slipway: Any, session: Any) -> None:
    """Create a serverless endpoint."""
    model = slipway.Model(ADDRESS, ROLE, IMAGE, sagemaker_session=session)
    model.deploy(endpoint_name="dogs", serverless_inference_config=Serverless(3072, 7), wait=False)


def asynchronous(slipway: Any, session: Any) -> None:
    """Create an asynchronous endpoint that scales to nothing, and ask it."""
    model = slipway.Model(ADDRESS, ROLE, IMAGE, sagemaker_session=session)
    predictor = model.deploy(
        instance_type=CPU, endpoint_name="dogs", async_inference_config=Asynchronous(max_concurrent=4),
        autoscaling=Autoscaling.parse("0:2"), show=lambda line: None,
    )  # fmt: skip
    predictor.predict_async(b"picture", input_path="s3://my-dogs/in/1")


def captured(slipway: Any, session: Any) -> None:
    """Record all requests at an address."""
    model = slipway.Model(ADDRESS, ROLE, IMAGE, sagemaker_session=session)
    capture = Capture(percent=100, destination="s3://my-dogs/records", kms_key=KEY)
    model.deploy(instance_type=CPU, endpoint_name="dogs", data_capture_config=capture, wait=False)


def update(slipway: Any, session: Any) -> None:
    """Put a model behind an existing endpoint, by a canary."""
    model = slipway.Model(ADDRESS, ROLE, IMAGE, sagemaker_session=session)
    rollout = Rollout.parse("canary:10", alarms=["errors"])
    model.deploy(instance_type=GPU, endpoint_name="dogs", update_endpoint=True, rollout=rollout, wait=False)


def variants(slipway: Any, session: Any) -> None:
    """Share an endpoint's traffic."""
    model = slipway.Model(ADDRESS, ROLE, IMAGE, sagemaker_session=session)
    shares = {"old": 9.0, "new": 1.0}
    both = [
        ProductionVariant(name=name, model=model, weight=weight, instance_type=GPU) for name, weight in shares.items()
    ]
    deploy_variants(both, endpoint_name="dogs", capture_percent=5, bucket="my-dogs", wait=False)


def many_models(slipway: Any, session: Any) -> None:
    """Serve all that is below a prefix."""
    many = slipway.MultiModel("s3://my-dogs/breeds", ROLE, IMAGE, sagemaker_session=session)
    predictor = many.deploy(instance_type=CPU, endpoint_name="breeds", wait=False)
    predictor.predict(b"picture", target_model="poodles.tar.gz")


def transform(slipway: Any, session: Any) -> None:
    """Predict what is below an address, with all options."""
    model = slipway.Model(ADDRESS, ROLE, IMAGE, name="dogs-model", sagemaker_session=session)
    transformer = slipway.Transformer.from_model(
        model, CPU, instance_count=2, form="csv", output_path="s3://my-dogs/out", tags={"team": "vision"},
        env={"SLIPWAY_TOP_K": "3"}, max_payload=9, max_concurrent_transforms=4, output_kms_key=KEY, volume_kms_key=KEY,
        assemble_with="Line",
    )  # fmt: skip
    transformer.transform(
        "s3://my-dogs/dogImages/test", job_name="dogs-job", wait=False, input_filter="$", join_source="Input",
        model_client_config={"InvocationsTimeoutInSeconds": 60, "InvocationsMaxRetries": 1},
    )  # fmt: skip
    transformer.stop_transform_job(wait=False)


def transform_again(slipway: Any, session: Any) -> None:
    """Predict with a model that is in SageMaker, with all defaults."""
    transformer = slipway.Transformer("dogs-model", instance_type=CPU, sagemaker_session=session)
    transformer.transform("s3://my-dogs/dogImages/test", wait=False)


WAYS: tuple[Callable[[Any, Any], None], ...] = (
    real_time, plain, serverless, asynchronous, captured, update, variants, many_models, transform, transform_again,
)  # fmt: skip


def requests_of(way: Callable[[Any, Any], None], classes: Any, make_session: Callable[[Aws, DryRun], Any]) -> list[Any]:
    """Follow one way; return its requests in order, reads included.

    Args:
        way: One of `WAYS`.
        classes: The package, or a namespace, with the classes.
        make_session: Makes a session that records.
    """
    one = json.dumps({"predictions": [{"label": "Beagle", "index": 0, "probability": 1}]})
    two = json.dumps({"predictions": [[{"label": "Beagle", "index": 0, "probability": 1}]] * 2})
    bodies = {b"picture": one}
    answers = {
        "ListObjectsV2": {"Contents": [{"Key": "dogImages/test/1.jpg", "Size": 1}]},
        "DescribeEndpointConfig": {"AsyncInferenceConfig": {"OutputConfig": {"S3OutputPath": "s3://my-dogs/o/output"}}},
        "InvokeEndpointAsync": {"OutputLocation": "s3://my-dogs/o/1"},
        # Named, so that they are asked for: a session without an SDK skips what only a dry run would answer.
        "DescribeImages": {},
        "HeadObject": {},
    }
    recorded = DryRun(answers=answers)
    aws = Aws("eu-west-1", None)
    aws.events.register_first(
        "before-parameter-build.sagemaker-runtime.InvokeEndpoint",
        lambda params, **_: answers.update(
            InvokeEndpoint={"Body": io.BytesIO(bodies.get(params["Body"], two).encode())}
        ),
    )
    way(classes, make_session(aws, recorded))
    return [json.loads(_TIME.sub("TIME", str(request))) for request in recorded.requests]


def main() -> None:
    """Write what version 3 makes of it: the requests of each way through its own session, and one of its resources."""
    from sagemaker.core.helper.session_helper import Session
    from sagemaker.core.resources import Endpoint

    import slipway

    def session(aws: Aws, recorded: DryRun) -> Session:
        recorded.attach(aws)
        return Session(boto_session=aws.boto_session())

    requests = {way.__name__: requests_of(way, slipway, session) for way in WAYS}
    arn, now = "arn:aws:sagemaker:eu-west-1:111122223333:endpoint/dogs", datetime.now(UTC)
    described = {"EndpointName": "dogs", "EndpointArn": arn, "EndpointStatus": "InService"}
    times = {"CreationTime": now, "LastModifiedTime": now}
    recorded = DryRun(answers={"DescribeEndpoint": {**described, **times}})
    resource = slipway.Predictor("dogs", session(Aws("eu-west-1", None), recorded)).resource
    assert isinstance(resource, Endpoint)
    found = {"module": slipway.Model.__module__, "status": resource.endpoint_status, "requests": requests}
    Path(sys.argv[1]).write_text(json.dumps(found))


if __name__ == "__main__":
    main()
