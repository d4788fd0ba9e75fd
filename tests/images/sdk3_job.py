"""Train with version 3 of the SageMaker SDK in its local mode, once as the image does it by itself and once with a
command of the user's, which the SDK runs through bash.

Runs in an environment made of sdk3.lock; see test_local_mode.py. Its last line of output is JSON.
"""

import argparse
import json
from pathlib import Path

from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, InputData, SourceCode
from sagemaker.train.model_trainer import Mode


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--train-image", required=True)
    parser.add_argument("--hyperparameters", type=json.loads, required=True)
    parser.add_argument("--data", type=Path, required=True, help="holds a folder for each channel")
    parser.add_argument("--work", type=Path, required=True, help="where the SDK puts what it mounts")
    parser.add_argument("--command", help="what the SDK shall run in place of the image's own command")
    arguments = parser.parse_args()

    channels = sorted(path.name for path in arguments.data.iterdir() if path.is_dir())
    trainer = ModelTrainer(
        training_mode=Mode.LOCAL_CONTAINER,
        training_image=arguments.train_image,
        source_code=SourceCode(command=arguments.command) if arguments.command else None,
        compute=Compute(instance_type="local_cpu", instance_count=1),
        hyperparameters=arguments.hyperparameters,
        local_container_root=str(arguments.work),
    )
    trainer.train([InputData(channel_name=name, data_source=str(arguments.data / name)) for name in channels])
    print("\n" + json.dumps({"model_data": f"file://{arguments.work}/compressed_artifacts/model.tar.gz"}))  # noqa: T201 - its answer


if __name__ == "__main__":
    main()
