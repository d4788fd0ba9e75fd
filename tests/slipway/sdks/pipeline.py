"""One script that compiles a pipeline of our objects with either SDK; as a program it writes the definitions."""

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import slipway
from slipway.aws.connection import Aws
from slipway.aws.dry_run import DryRun
from slipway.installed_sdk import installed_sdk

if installed_sdk() == "sdk3":
    from sagemaker.core.workflow.parameters import ParameterInteger, ParameterString
    from sagemaker.core.workflow.pipeline_context import PipelineSession
    from sagemaker.mlops.workflow.model_step import ModelStep
    from sagemaker.mlops.workflow.pipeline import Pipeline
    from sagemaker.mlops.workflow.steps import TrainingStep, TransformStep, TuningStep
else:
    from sagemaker.workflow.model_step import ModelStep
    from sagemaker.workflow.parameters import ParameterInteger, ParameterString
    from sagemaker.workflow.pipeline import Pipeline
    from sagemaker.workflow.pipeline_context import PipelineSession
    from sagemaker.workflow.steps import TrainingStep, TransformStep, TuningStep

REGION = "eu-west-1"
ROLE = "arn:aws:iam::111122223333:role/slipway-execution"
IMAGE = f"111122223333.dkr.ecr.{REGION}.amazonaws.com/slipway"

# The time in a name.
_TIME = re.compile(r"\d{4}(-\d\d){5}-\d{3}|\d{6}-\d{4}")


def pipeline_session() -> Any:
    """A PipelineSession of the installed SDK, which reaches no account; a ModelTrainer looks at its role."""
    trust = {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
    role = {"Role": {"AssumeRolePolicyDocument": json.dumps({"Statement": [trust]})}}
    aws = Aws(REGION, None)
    DryRun(answers={"GetRole": role}).attach(aws)
    return PipelineSession(boto_session=aws.boto_session(), default_bucket="my-dogs")


def definition_of(session: Any, *steps: Any, parameters: Sequence[Any] = ()) -> dict[str, Any]:
    """Compile a pipeline."""
    pipeline = Pipeline(name="dogs", parameters=list(parameters), steps=list(steps), sagemaker_session=session)
    return dict(json.loads(_TIME.sub("TIME", pipeline.definition())))


def trained_and_served() -> dict[str, Any]:
    """Train with parameters, tune, create the trained model, and predict with it."""
    session = pipeline_session()
    data, epochs = ParameterString("Pictures", "s3://my-dogs/dogImages/train"), ParameterInteger("Epochs", 5)
    estimator = slipway.Estimator(
        ROLE, "ml.g4dn.xlarge", image_uri=f"{IMAGE}:train", bucket="my-dogs", spot=True, sagemaker_session=session,
        hyperparameters={"model-type": "resnet18", "epochs": epochs},
    )  # fmt: skip
    trained = TrainingStep(name="Train", step_args=estimator.fit({"train": data}))
    tuned = TuningStep(name="Tune", step_args=slipway.Tuner(estimator).fit({"train": data}))
    archive = trained.properties.ModelArtifacts.S3ModelArtifacts
    model = slipway.Model(archive, ROLE, f"{IMAGE}:serve", sagemaker_session=session)
    created = ModelStep(name="Create", step_args=model.create(instance_type="ml.c7i.xlarge"))
    transformer = slipway.Transformer(
        created.properties.ModelName, instance_type="ml.c7i.xlarge", output_path="s3://my-dogs/out",
        sagemaker_session=session,
    )  # fmt: skip
    predicted = TransformStep(name="Predict", step_args=transformer.transform("s3://my-dogs/dogImages/test"))
    return definition_of(session, trained, tuned, created, predicted, parameters=[data, epochs])


def by_the_trainer() -> dict[str, Any]:
    """Train and tune in a pipeline by version 3's own classes."""
    channels = {"train": "s3://my-dogs/dogImages/train"}
    # Each looks at the role once, and botocore decodes the answer in place.
    sessions = [pipeline_session(), pipeline_session()]
    first, second = (
        slipway.Estimator(
            ROLE, "ml.g4dn.xlarge", image_uri=f"{IMAGE}:train", bucket="my-dogs", sagemaker_session=session,
            hyperparameters={"model-type": "resnet18"},
        )
        for session in sessions
    )  # fmt: skip
    trainer = first.to_trainer(channels, session=sessions[0])
    tuner = slipway.Tuner(second).to_tuner(channels, session=sessions[1])
    steps = TrainingStep(name="Train", step_args=trainer.train()), TuningStep(name="Tune", step_args=tuner.tune())
    return definition_of(sessions[0], *steps)


def main() -> None:
    """Write the definitions that version 3 makes."""
    Path(sys.argv[1]).write_text(json.dumps([trained_and_served(), by_the_trainer()]))


if __name__ == "__main__":
    main()
