"""Train, deploy, predict and delete with version 2 of the SageMaker SDK in its local mode.

See test_local_mode.py. Its last line of output is JSON.
"""

import argparse
import json
from pathlib import Path

import boto3
from sagemaker.deserializers import JSONDeserializer
from sagemaker.estimator import Estimator
from sagemaker.local import LocalSession
from sagemaker.serializers import IdentitySerializer

ROLE = "arn:aws:iam::111122223333:role/unused"
NO_TELEMETRY = {"SchemaVersion": "1.0", "SageMaker": {"PythonSDK": {"Modules": {"TelemetryOptOut": True}}}}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--train-image", required=True)
    parser.add_argument("--hyperparameters", type=json.loads, required=True)
    parser.add_argument("--data", type=Path, required=True, help="holds a folder for each channel")
    parser.add_argument("--work", type=Path, required=True, help="where the SDK puts what it mounts")
    parser.add_argument("--instances", type=int, required=True)
    parser.add_argument("--serve-image", required=True, help="deploy there what was trained")
    parser.add_argument("--port", type=int, required=True, help="the endpoint's on this machine")
    parser.add_argument("--picture", type=Path, required=True, help="a JPEG to ask about")
    arguments = parser.parse_args()

    session = LocalSession(boto_session=boto3.Session(region_name="eu-central-1"), sagemaker_config=NO_TELEMETRY)
    session.config = {
        "local": {"local_code": True, "container_root": str(arguments.work), "serving_port": arguments.port}
    }
    estimator = Estimator(
        image_uri=arguments.train_image,
        role=ROLE,
        instance_count=arguments.instances,
        instance_type="local",
        hyperparameters=arguments.hyperparameters,
        sagemaker_session=session,
    )
    channels = sorted(path.name for path in arguments.data.iterdir() if path.is_dir())
    estimator.fit({name: f"file://{arguments.data / name}" for name in channels})
    predictor = estimator.deploy(
        initial_instance_count=1,
        instance_type="local",
        image_uri=arguments.serve_image,
        serializer=IdentitySerializer("image/jpeg"),
        deserializer=JSONDeserializer(),
        wait=False,  # in its local mode it has waited by then, and would ask again only after half a minute
    )
    answer = predictor.predict(arguments.picture.read_bytes())
    predictor.delete_endpoint()
    print("\n" + json.dumps({"model_data": estimator.model_data, "answer": answer}))  # noqa: T201 - its answer


if __name__ == "__main__":
    main()
