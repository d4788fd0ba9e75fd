"""Train, deploy, predict, delete and transform in local mode with Slipway's classes; the same script for each version
of the SDK.

See test_local_mode.py. Its last line of output is JSON.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import slipway


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--train-image", required=True)
    parser.add_argument("--hyperparameters", type=json.loads, required=True)
    parser.add_argument("--data", type=Path, required=True, help="holds a folder for each channel")
    parser.add_argument("--instances", type=int, required=True)
    parser.add_argument("--serve-image", required=True, help="deploy there what was trained")
    parser.add_argument("--port", type=int, required=True, help="the endpoint's on this machine")
    parser.add_argument("--picture", type=Path, required=True, help="a JPEG to ask about")
    parser.add_argument("--pictures", type=Path, required=True, help="folder of pictures to predict")
    parser.add_argument("--local-session", choices=["slipway", "sdk"], default="slipway")
    arguments = parser.parse_args()

    make_session = local_mode_of_version_2 if arguments.local_session == "sdk" else slipway.local_session
    estimator = slipway.Estimator(
        instance_type="local",
        instance_count=arguments.instances,
        image_uri=arguments.train_image,
        hyperparameters=arguments.hyperparameters,
        sagemaker_session=make_session(serving_port=arguments.port),
    )
    channels = sorted(path.name for path in arguments.data.iterdir() if path.is_dir())
    estimator.fit({name: f"file://{arguments.data / name}" for name in channels})
    predictor = estimator.deploy(instance_type="local", image_uri=arguments.serve_image)
    answer = {each.label: each.probability for each in predictor.predict(arguments.picture)}
    removed = predictor.delete()
    transformer = estimator.transformer(1, "local", image_uri=arguments.serve_image)
    transformer.transform(str(arguments.pictures))
    found = {
        "model_data": estimator.model_data,
        "answer": answer,
        "removed": len(removed),
        "rows": {row.image: json.loads(row.answer) if row.answer else row.reason for row in transformer.rows()},
        "outputs": transformer.output_path,
        "modules": [type(one).__module__ for one in (estimator, predictor, transformer)],
    }
    print("\n" + json.dumps(found))  # noqa: T201 - its answer


def local_mode_of_version_2(serving_port: int) -> Any:
    """A session of the SDK's own local mode."""
    from sagemaker.local import LocalSession

    session = LocalSession()
    session.config = {"local": {"local_code": True, "serving_port": serving_port}}
    return session


if __name__ == "__main__":
    main()
