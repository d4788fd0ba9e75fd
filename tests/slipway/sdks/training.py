"""One script that trains and tunes in many ways; as a program it prints the requests as JSON."""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import slipway
from slipway.aws.connection import Aws
from slipway.aws.dry_run import DryRun
from slipway.aws.session import AwsSession
from slipway.requests.search_space import parse_range
from slipway.tuning.tuner_base import warm_start

ROLE = "arn:aws:iam::111122223333:role/slipway-execution"
IMAGE = "111122223333.dkr.ecr.eu-west-1.amazonaws.com/slipway:train-3f2a"
DATA = {"train": "s3://my-dogs/dogImages/train", "validation": "s3://my-dogs/dogImages/valid"}
GPU = "ml.g4dn.xlarge"
NETWORK = {"subnets": ["subnet-1"], "security_group_ids": ["sg-1"]}

# The time in a name; two requests of one run may differ in it.
_TIME = re.compile(r"\d{4}(-\d\d){5}-\d{3}|\d{6}-\d{4}")


def estimator(classes: Any, session: Any, **arguments: Any) -> Any:
    """An Estimator with what every one needs."""
    given = {"role": ROLE, "instance_type": GPU, "image_uri": IMAGE, "sagemaker_session": session, **arguments}
    return classes.Estimator(**given)


def plain(classes: Any, session: Any) -> None:
    """Train with all defaults."""
    estimator(classes, session).fit("s3://my-dogs/dogImages/train", wait=False)


def full(classes: Any, session: Any) -> None:
    """Train with all that a job can have."""
    made = estimator(
        classes, session, instance_count=2, hyperparameters={"epochs": 3, "class_weights": True}, profile=False,
        spot=True, max_run=3600, tensorboard=True, bucket="outputs", output_kms_key="key", volume_kms_key="key",
        volume_size=50, enable_network_isolation=True, encrypt_inter_container_traffic=True, max_retry_attempts=2,
        environment={"WANDB_MODE": "offline"}, tags={"team": "dogs"}, input_mode="FastFile",
        metric_definitions=[{"Name": "mine", "Regex": "mine=([0-9]+)"}], enable_sagemaker_metrics=True,
        disable_output_compression=True, enable_infra_check=True, enable_remote_debug=True, **NETWORK,
    )  # fmt: skip
    made.set_hyperparameters(batch_size=16)
    made.fit(DATA, wait=False, job_name="first", experiment_config={"ExperimentName": "dogs"})
    made.fit(DATA, wait=False, job_name="second")


def warm_pool(classes: Any, session: Any) -> None:
    """Keep the instances, and read a channel in a way of its own."""
    place = {"S3DataType": "S3Prefix", "S3Uri": "s3://my-dogs/x", "S3DataDistributionType": "ShardedByS3Key"}
    channel = {"DataSource": {"S3DataSource": place}, "InputMode": "FastFile"}
    made = estimator(classes, session, keep_alive_period_in_seconds=600, output_path="s3://outputs/here")
    made.fit({"train": channel}, wait=False)


def groups(classes: Any, session: Any) -> None:
    """Train on instances of two types."""
    both = [
        {"InstanceGroupName": name, "InstanceType": kind, "InstanceCount": 1}
        for name, kind in (("a", "ml.c5.xlarge"), ("b", GPU))
    ]
    estimator(classes, session, instance_type=None, instance_groups=both).fit(DATA, wait=False)


def debugger(classes: Any, session: Any) -> None:
    """Ask for the Debugger, the profiler and rules."""
    rules = ["VanishingGradient", "DeadRelu", "LowGPUUtilization"]
    estimator(classes, session, debug=True, rules=rules).fit(DATA, wait=False, job_name="dogs")
    hook = {
        "HookParameters": {"save_interval": "7"},
        "CollectionConfigurations": [{"CollectionName": "gradients", "CollectionParameters": {"save_interval": "3"}}],
    }
    profiler = {"ProfilingIntervalInMilliseconds": 100}
    made = estimator(classes, session, debug=hook, rules="Overfit", profiler_config=profiler)
    made.fit(DATA, wait=False, job_name="again")
    estimator(classes, session, disable_profiler=True).fit(DATA, wait=False)


def script(classes: Any, session: Any) -> None:
    """Run a script of the user's, also without a network."""
    Path("code").mkdir(exist_ok=True)
    Path("code", "mine.py").write_text("print('hello')\n")
    own: dict[str, Any] = {"entry_point": "mine.py", "source_dir": "code", "hyperparameters": {"x": 1, "y": [True]}}
    for isolated in (False, True):
        made = estimator(classes, session, enable_network_isolation=isolated, output_kms_key="key", **own)
        made.fit({"anything": "s3://my-dogs/x"}, wait=False, job_name="mine")


def tune(classes: Any, session: Any) -> None:
    """Tune with all defaults, and in each strategy's way."""
    classes.Tuner(estimator(classes, session, hyperparameters={"model-type": "resnet18"})).fit(DATA, wait=False)
    grid = dict(map(parse_range, ("batch-size=16,32", "epochs=5,10,20")))
    for arguments in ({"strategy": "Hyperband"}, {"strategy": "Grid", "hyperparameter_ranges": grid}):
        classes.Tuner(estimator(classes, session), **arguments).fit(DATA, wait=False, job_name="search")


def tune_fully(classes: Any, session: Any) -> None:
    """Tune with all that a tuning job can have."""
    made = estimator(
        classes, session, spot=True, volume_kms_key="key", environment={"A": "b"}, max_retry_attempts=2, **NETWORK
    )
    classes.Tuner(
        made, "eval_accuracy_epoch", dict([parse_range("opt-learning-rate=1e-5:1e-3:log")]), strategy="Random",
        max_jobs=7, max_parallel_jobs=3, early_stopping_type="Off", max_runtime_in_seconds=3600, random_seed=5,
        tags={"team": "dogs"}, warm_start_config=warm_start(["earlier"], transfer=True),
        completion_criteria_config={"TargetObjectiveMetricValue": 95.0}, base_tuning_job_name="dogs",
    ).fit(DATA, wait=False)  # fmt: skip
    fixed = estimator(classes, session, hyperparameters={"model-type": "resnet18", "epochs": 9})
    automatic = classes.Tuner(fixed, autotune=True, hyperparameters_to_keep_static=["model-type"])
    automatic.fit(DATA, wait=False, job_name="automatic")


WAYS: tuple[Callable[[Any, Any], None], ...] = (
    plain, full, warm_pool, groups, debugger, script, tune, tune_fully,
)  # fmt: skip


def requests_of(way: Callable[[Any, Any], None], classes: Any, make_session: Callable[[Aws, DryRun], Any]) -> list[Any]:
    """Follow one way; return its requests that would change something, in order.

    Args:
        way: One of `WAYS`.
        classes: The package, or a namespace, with the classes.
        make_session: Makes a session that records.
    """
    recorded = DryRun()
    way(classes, make_session(Aws("eu-west-1", None), recorded))
    return [json.loads(_TIME.sub("TIME", str(request))) for request in recorded.writes]


def of_the_sdk() -> list[list[Any]]:
    """The requests of fit(), and of version 3's own ModelTrainer and HyperparameterTuner of the same settings."""
    trust = {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
    found = []
    for compare in (_with_trainer, _with_tuner):
        role = {"Role": {"AssumeRolePolicyDocument": json.dumps({"Statement": [trust]})}}
        found_again = {"TrainingJobName": "dogs", "HyperParameterTuningJobName": "dogs"}
        described = dict.fromkeys(("DescribeTrainingJob", "DescribeHyperParameterTuningJob"), found_again)
        recorded = DryRun(answers={"GetRole": role, **described})
        compare(AwsSession(Aws("eu-west-1", None), recorded))
        found.append([json.loads(_TIME.sub("TIME", str(request))) for request in recorded.writes])
    return found


def _with_trainer(session: Any) -> None:
    made = estimator(
        slipway, session, spot=True, tensorboard=True, environment={"A": "b"}, volume_kms_key="key", tags={"a": "b"},
        hyperparameters={"epochs": 3}, max_retry_attempts=2, encrypt_inter_container_traffic=True, **NETWORK,
    )  # fmt: skip
    made.fit(DATA, wait=False)
    made.to_trainer(DATA).train(wait=False)


def _with_tuner(session: Any) -> None:
    search = slipway.Tuner(estimator(slipway, session, hyperparameters={"model-type": "resnet18"}), strategy="Random")
    search.fit(DATA, wait=False)
    search.to_tuner(DATA).tune(wait=False)


def main() -> None:
    """Print the requests of each way, with the classes for the SDK that is installed."""
    found = {way.__name__: requests_of(way, slipway, AwsSession) for way in WAYS}
    module = slipway.Estimator.__module__
    Path(sys.argv[1]).write_text(json.dumps({"module": module, "requests": found, "sdk": of_the_sdk()}))


if __name__ == "__main__":
    main()
