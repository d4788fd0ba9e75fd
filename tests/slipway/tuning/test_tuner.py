"""The Tuner without an SDK and with version 2: the requests that it would send, and what it reads from answers.

moto invents one best training job and knows no list of a tuning job's training jobs, so the answers here stand for
AWS's; the requests pass botocore's validation.
"""

import copy
import functools
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sagemaker.parameter import CategoricalParameter, ContinuousParameter, IntegerParameter
from sagemaker.tuner import TuningJobCompletionCriteriaConfig

from container.contract.errors import HyperparameterError, UserError
from slipway.aws.connection import Aws
from slipway.aws.dry_run import DryRun
from slipway.aws.session import AwsSession, aws_session
from slipway.errors import RemoteJobError, SearchSpaceError, SettingError
from slipway.requests.search_space import parse_range
from slipway.sdk2.estimator import Estimator as SdkEstimator
from slipway.sdk2.tuner import Tuner as SdkTuner
from slipway.training.estimator import Estimator
from slipway.tuning.tuner import Tuner
from slipway.tuning.tuner_base import warm_start

ROLE = "arn:aws:iam::111122223333:role/slipway"
IMAGE = "111122223333.dkr.ecr.us-east-1.amazonaws.com/slipway:train"
DATA = {"train": "s3://my-dogs/dogImages/train", "validation": "s3://my-dogs/dogImages/valid"}


class Kind:
    """The classes that the tests are of."""

    estimator: type = Estimator
    tuner: type = Tuner


KINDS = {"without an SDK": (Estimator, Tuner), "version 2": (SdkEstimator, SdkTuner)}


@pytest.fixture(params=KINDS, autouse=True)
def kind(request, monkeypatch):
    """Every test is of both."""
    for name, value in zip(("estimator", "tuner"), KINDS[request.param], strict=True):
        monkeypatch.setattr(Kind, name, value)


@functools.cache
def _shared(estimator: type) -> tuple[DryRun, Any]:
    # Making a session of the SDK takes seconds.
    dry_run = DryRun()
    make = aws_session if estimator is SdkEstimator else AwsSession
    return dry_run, make(Aws("us-east-1", None), dry_run)


def fresh(answers: Mapping[str, Mapping[str, object]] | None = None) -> tuple[DryRun, Any]:
    """A dry run without requests, and its session."""
    dry_run, session = _shared(Kind.estimator)
    dry_run.requests.clear()
    dry_run.answers = answers or {}
    return dry_run, session


def make_estimator(session: Any, **arguments: object) -> Estimator:
    return Kind.estimator(ROLE, "ml.g4dn.xlarge", image_uri=IMAGE, sagemaker_session=session, **arguments)


def request(arguments: Mapping[str, object], **hyperparameters: object) -> dict:
    """The one request that a Tuner makes which changes something."""
    dry_run, session = fresh()
    named = {name.replace("_", "-"): value for name, value in hyperparameters.items()}
    Kind.tuner(make_estimator(session, hyperparameters=named), **arguments).fit(DATA, wait=False)
    (made,) = dry_run.writes
    assert made.operation == "CreateHyperParameterTuningJob"
    return dict(made.parameters)


def test_without_a_word_it_is_the_seed_projects_tuning_job():
    made = request({}, model_type="resnet18")
    config = made["HyperParameterTuningJobConfig"]
    assert config["Strategy"] == "Bayesian"
    assert config["ResourceLimits"] == {"MaxNumberOfTrainingJobs": 20, "MaxParallelTrainingJobs": 2}
    assert config["HyperParameterTuningJobObjective"] == {"Type": "Minimize", "MetricName": "eval_loss_epoch"}
    assert config["TrainingJobEarlyStoppingType"] == "Auto"
    assert config["ParameterRanges"]["IntegerParameterRanges"] == [
        {"Name": "epochs", "MinValue": "20", "MaxValue": "40", "ScalingType": "Linear"}
    ]
    assert config["ParameterRanges"]["CategoricalParameterRanges"] == [
        {"Name": "batch-size", "Values": ["16", "32", "64"]}
    ]
    assert [
        (entry["Name"], float(entry["MinValue"]), float(entry["MaxValue"]), entry["ScalingType"])
        for entry in config["ParameterRanges"]["ContinuousParameterRanges"]
    ] == [("opt-learning-rate", 1e-5, 1e-4, "Logarithmic"), ("opt-weight-decay", 1e-5, 1e-3, "Logarithmic")]
    job = made["TrainingJobDefinition"]
    assert job["StaticHyperParameters"] == {"model-type": "resnet18"}
    assert job["AlgorithmSpecification"]["TrainingImage"] == IMAGE
    assert "eval_loss_epoch" in [entry["Name"] for entry in job["AlgorithmSpecification"]["MetricDefinitions"]]
    assert job["OutputDataConfig"] == {"S3OutputPath": "s3://my-dogs/jobs"}
    assert [channel["ChannelName"] for channel in job["InputDataConfig"]] == ["train", "validation"]
    assert made["Tags"] == [{"Key": "slipway", "Value": "0.1.0"}]


def test_hyperband_decides_on_the_epochs_and_early_stopping_is_off():
    made = request({"strategy": "Hyperband"})
    config = made["HyperParameterTuningJobConfig"]
    assert config["StrategyConfig"] == {"HyperbandStrategyConfig": {"MinResource": 4, "MaxResource": 40}}
    assert config["TrainingJobEarlyStoppingType"] == "Off"
    assert config["ParameterRanges"]["IntegerParameterRanges"] == []
    assert made["TrainingJobDefinition"]["StaticHyperParameters"] == {"epochs": "40"}


def test_hyperband_takes_the_estimators_epochs_for_the_most():
    config = request({"strategy": "Hyperband"}, epochs=10)["HyperParameterTuningJobConfig"]
    assert config["StrategyConfig"] == {"HyperbandStrategyConfig": {"MinResource": 1, "MaxResource": 10}}


def test_a_grid_has_a_job_for_each_point():
    space = dict(map(parse_range, ("batch-size=16,32", "epochs=5,10,20")))
    config = request({"strategy": "Grid", "hyperparameter_ranges": space})["HyperParameterTuningJobConfig"]
    assert config["ResourceLimits"]["MaxNumberOfTrainingJobs"] == 6
    assert config["ParameterRanges"]["CategoricalParameterRanges"] == [
        {"Name": "batch-size", "Values": ["16", "32"]},
        {"Name": "epochs", "Values": ["5", "10", "20"]},
    ]


def test_the_sdks_own_arguments_still_work():
    made = request(
        {
            "objective_metric_name": "eval_accuracy_epoch",
            "hyperparameter_ranges": {
                "epochs": IntegerParameter(2, 4, "Logarithmic"),
                "batch-size": CategoricalParameter([8, 16]),
                "opt-learning-rate": ContinuousParameter(1e-5, 1e-3),
            },
            "strategy": "Random",
            "max_jobs": 7,
            "max_parallel_jobs": 3,
            "early_stopping_type": "Off",
            "max_runtime_in_seconds": 3600,
            "random_seed": 5,
            "tags": [{"Key": "team", "Value": "dogs"}],
            "warm_start_config": warm_start(["earlier"], transfer=True),
            "completion_criteria_config": TuningJobCompletionCriteriaConfig(target_objective_metric_value=95.0),
        }
    )
    config = made["HyperParameterTuningJobConfig"]
    assert config["HyperParameterTuningJobObjective"] == {"Type": "Maximize", "MetricName": "eval_accuracy_epoch"}
    assert config["Strategy"] == "Random"
    assert config["RandomSeed"] == 5
    assert config["ResourceLimits"] == {
        "MaxNumberOfTrainingJobs": 7,
        "MaxParallelTrainingJobs": 3,
        "MaxRuntimeInSeconds": 3600,
    }
    assert config["TrainingJobEarlyStoppingType"] == "Off"
    assert config["TuningJobCompletionCriteria"] == {"TargetObjectiveMetricValue": 95.0}
    assert config["ParameterRanges"]["IntegerParameterRanges"][0]["ScalingType"] == "Logarithmic"
    assert config["ParameterRanges"]["ContinuousParameterRanges"][0]["ScalingType"] == "Auto"
    assert made["WarmStartConfig"] == {
        "WarmStartType": "TransferLearning",
        "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": "earlier"}],
    }
    assert {"Key": "team", "Value": "dogs"} in made["Tags"]


def test_autotune_leaves_the_ranges_to_sagemaker():
    made = request(
        {"autotune": True, "hyperparameters_to_keep_static": ["model-type"]}, model_type="resnet18", epochs=9
    )
    assert made["Autotune"] == {"Mode": "Enabled"}
    assert made["TrainingJobDefinition"]["StaticHyperParameters"] == {"model-type": "resnet18"}
    assert made["HyperParameterTuningJobConfig"]["ParameterRanges"]["AutoParameters"] == [
        {"Name": "epochs", "ValueHint": "9"}
    ]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"strategy": "Genetic"}, SearchSpaceError, "there is no strategy Genetic; there are: Bayesian"),
        ({"strategy": "Hyperband", "early_stopping_type": "Auto"}, SearchSpaceError, "Hyperband stops jobs itself"),
        (
            {"objective_metric_name": "eval_loss"},
            SearchSpaceError,
            "jobs write no metric eval_loss; did you mean eval_",
        ),
        ({"objective_metric_name": "f1"}, SearchSpaceError, "jobs write no metric f1; there are: train_loss"),
        ({"strategy": "Grid"}, SearchSpaceError, "epochs, opt-learning-rate, opt-weight-decay has a range"),
        ({"hyperparameter_ranges": {"epoch": IntegerParameter(2, 4)}}, HyperparameterError, "did you mean epochs"),
        ({"hyperparameter_ranges": {"epochs": IntegerParameter(0, 4)}}, HyperparameterError, "epochs is 0"),
        (
            {"hyperparameter_ranges": {"epochs": ContinuousParameter(2, 4)}},
            SearchSpaceError,
            "epochs is a whole number; give it an IntegerParameter",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_created(arguments, error, message):
    dry_run, session = fresh()
    with pytest.raises(error, match=message):
        Kind.tuner(make_estimator(session), **arguments)
    assert dry_run.writes == []


def test_the_sdks_local_mode_has_no_tuning_jobs():
    with pytest.raises(SettingError, match="local mode has no tuning jobs; on this machine, tune with: slipway tune"):
        SdkTuner(SdkEstimator(instance_type="local", image_uri="slipway:train"))


def test_more_parents_than_sagemaker_takes_are_refused():
    with pytest.raises(SearchSpaceError, match="6 parents are given for a warm start; SageMaker takes 5"):
        warm_start([f"job-{number}" for number in range(6)])


def test_there_is_no_job_before_fit():
    with pytest.raises(SettingError, match="there is no tuning job yet; call fit"):
        Kind.tuner(make_estimator(fresh()[1])).trials()


START = datetime(2026, 11, 24, 10, tzinfo=UTC)


def summary(number: int, status: str, objective: float | None, **more: object) -> dict:
    """A training job, as ListTrainingJobsForHyperParameterTuningJob has it."""
    found = {
        "TrainingJobName": f"dogs-{number:03d}",
        "TrainingJobArn": f"arn:aws:sagemaker:us-east-1:111122223333:training-job/dogs-{number:03d}",
        "CreationTime": START + timedelta(minutes=number),
        "TrainingStartTime": START,
        "TrainingEndTime": START + timedelta(seconds=90),
        "TrainingJobStatus": status,
        "TunedHyperParameters": {"epochs": "20", "batch-size": '"32"', "opt-learning-rate": "4.2e-05"},
        "ObjectiveStatus": "Pending" if objective is None else "Succeeded",
        **more,
    }
    if objective is not None:
        metric = {"MetricName": "eval_loss_epoch", "Value": objective, "Type": "Minimize"}
        found["FinalHyperParameterTuningJobObjectiveMetric"] = metric
    return found


@functools.cache
def _default_request(_estimator: type) -> dict:
    return request({}, model_type="resnet18")


def description(status: str, **more: object) -> dict:
    """What DescribeHyperParameterTuningJob answers for the default tuning job."""
    made = copy.deepcopy(_default_request(Kind.estimator))
    job = made["TrainingJobDefinition"]
    # SageMaker adds this one.
    job["StaticHyperParameters"]["_tuning_objective_metric"] = "eval_loss_epoch"
    return {
        "HyperParameterTuningJobName": "dogs",
        "HyperParameterTuningJobArn": "arn:aws:sagemaker:us-east-1:111122223333:hyper-parameter-tuning-job/dogs",
        "HyperParameterTuningJobConfig": made["HyperParameterTuningJobConfig"],
        "TrainingJobDefinition": job,
        "HyperParameterTuningJobStatus": status,
        "CreationTime": START,
        "TrainingJobStatusCounters": {"Completed": 1, "InProgress": 1, "NonRetryableError": 1, "Stopped": 1},
        "ObjectiveStatusCounters": {"Succeeded": 2, "Pending": 1, "Failed": 1},
        **more,
    }


JOBS = [
    summary(2, "Stopped", 0.8),
    summary(1, "Completed", 0.4),
    summary(3, "Failed", None, FailureReason="AlgorithmError: CUDA out of memory"),
    summary(4, "InProgress", None, TrainingEndTime=None),
]
JOBS[-1].pop("TrainingEndTime")


class Answers(dict[str, object]):
    """Answers by operation; a list's are given one after the other, and the last one from then on."""

    def get(self, operation, default=None):  # type: ignore[override]
        found = super().get(operation, default)
        if isinstance(found, Iterator):
            self[operation + "."] = found = next(found, super().get(operation + "."))
        return found


def attached(*descriptions: dict, jobs: list[dict] = JOBS) -> Tuner:
    answers = Answers(
        DescribeHyperParameterTuningJob=iter(descriptions),
        ListTrainingJobsForHyperParameterTuningJob={"TrainingJobSummaries": jobs},
    )
    _, session = fresh(answers)
    tuner = Kind.tuner.attach("dogs", session)
    tuner.poll_s = 0
    return tuner


def test_attach_finds_the_search_and_our_estimator():
    tuner = attached(description("Completed", BestTrainingJob=JOBS[1]))
    assert isinstance(tuner.estimator, Kind.estimator)
    assert tuner.estimator.hyperparameters() == {"model-type": "resnet18"}
    assert (tuner.strategy, tuner.max_jobs, tuner.max_parallel_jobs) == ("Bayesian", 20, 2)
    assert tuner.objective_type == "Minimize"


def test_the_best_job_and_its_hyperparameters_as_their_types():
    tuner = attached(description("Completed", BestTrainingJob=JOBS[1]))
    assert tuner.best_training_job() == "dogs-001"
    assert tuner.best_hyperparameters() == {"epochs": 20, "batch-size": 32, "opt-learning-rate": 4.2e-5}


def test_trials_in_the_order_of_their_start():
    trials = attached(description("InProgress", BestTrainingJob=JOBS[1])).trials()
    assert [(trial.name, trial.status, trial.objective) for trial in trials] == [
        ("dogs-001", "completed", 0.4),
        ("dogs-002", "stopped early", 0.8),
        ("dogs-003", "failed", None),
        ("dogs-004", "running", None),
    ]
    assert [trial.duration_s for trial in trials] == [90, 90, 90, None]
    assert trials[2].reason == "AlgorithmError: CUDA out of memory"
    assert trials[0].address.endswith("#/jobs/dogs-001")


def test_waiting_tells_how_far_it_is():
    first, second = description("InProgress"), description("Completed", BestTrainingJob=JOBS[1])
    second["TrainingJobStatusCounters"] = {"Completed": 19, "InProgress": 0, "NonRetryableError": 1, "Stopped": 0}
    tuner, told = attached(first, first, first, second), []
    tuner.wait(told.append)
    assert list(map(str, told)) == [
        "3 of 20 training jobs done, 1 running",
        "20 of 20 training jobs done, 0 running, best so far 0.4000 (dogs-001)",
    ]


def test_a_tuning_job_that_failed_has_its_own_reason_and_its_training_jobs():
    tuner = attached(description("Failed", FailureReason="All training jobs failed."))
    with pytest.raises(
        RemoteJobError,
        match=r"ended \(Failed\) without a best training job: All training jobs failed.*"
        r"dogs-003: AlgorithmError: CUDA out of memory.*hyper-tuning-jobs/dogs",
    ):
        tuner.wait()


def test_without_a_best_job_there_are_no_best_hyperparameters():
    with pytest.raises(UserError, match="without a best training job"):
        attached(description("Completed"), jobs=[]).best_hyperparameters()


def test_ctrl_c_says_that_the_job_still_runs():
    tuner = attached(description("InProgress"))

    def interrupt(_progress: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(
        RemoteJobError, match="the tuning job dogs still runs and costs money: slipway tune --report dogs"
    ):
        tuner.wait(interrupt)


def test_a_script_of_the_users_own_is_searched_by_its_own_hyperparameters(tmp_path):
    (tmp_path / "mine.py").write_text("print('hello')\n")
    dry_run, session = fresh()
    estimator = make_estimator(session, entry_point=str(tmp_path / "mine.py"), hyperparameters={"lr": 1})
    metrics = [{"Name": "my:loss", "Regex": "loss=([0-9.]+)"}]
    with pytest.raises(SearchSpaceError, match="give hyperparameter_ranges"):
        Kind.tuner(estimator, "my:loss", metric_definitions=metrics)
    tuner = Kind.tuner(
        estimator, "my:loss", {"dropout": ContinuousParameter(0.1, 0.5)}, metrics, objective_type="Minimize"
    )
    tuner.fit({"anything": "s3://my-dogs/x"}, wait=False)
    made = dry_run.writes[-1].parameters
    assert made["HyperParameterTuningJobConfig"]["ParameterRanges"]["ContinuousParameterRanges"][0]["Name"] == "dropout"
    assert made["TrainingJobDefinition"]["StaticHyperParameters"]["lr"] == "1"
