"""Train, deploy, predict and delete in local mode with Slipway's classes; the same script for each version of the SDK.

See test_local_mode.py. Its last line of output is JSON.
"""

import argparse
import json
from pathlib import Path

from slipway import Estimator, local_session


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--train-image", required=True)
    parser.add_argument("--hyperparameters", type=json.loads, required=True)
    parser.add_argument("--data", type=Path, required=True, help="holds a folder for each channel")
    parser.add_argument("--instances", type=int, required=True)
    parser.add_argument("--serve-image", required=True, help="deploy there what was trained")
    parser.add_argument("--port", type=int, required=True, help="the endpoint's on this machine")
    parser.add_argument("--picture", type=Path, required=True, help="a JPEG to ask about")
    arguments = parser.parse_args()

    estimator = Estimator(
        instance_type="local",
        instance_count=arguments.instances,
        image_uri=arguments.train_image,
        hyperparameters=arguments.hyperparameters,
        sagemaker_session=local_session(serving_port=arguments.port),
    )
    channels = sorted(path.name for path in arguments.data.iterdir() if path.is_dir())
    estimator.fit({name: f"file://{arguments.data / name}" for name in channels})
    predictor = estimator.deploy(instance_type="local", image_uri=arguments.serve_image)
    answer = {each.label: each.probability for each in predictor.predict(arguments.picture)}
    removed = predictor.delete()
    classes = [Estimator.__module__, type(predictor).__module__]
    found = {"model_data": estimator.model_data, "answer": answer, "removed": len(removed), "classes": classes}
    print("\n" + json.dumps(found))  # noqa: T201 - its answer


if __name__ == "__main__":
    main()
