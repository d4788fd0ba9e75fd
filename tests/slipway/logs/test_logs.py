"""`slipway logs`: whose lines are shown, which of them, and until when; CloudWatch by moto."""

import time
from itertools import islice

import boto3
import pytest

from slipway.aws.cloud_logs import TRAINING_GROUP, TRANSFORM_GROUP, endpoint_group
from slipway.aws.connection import Aws
from slipway.aws.dry_run import DryRun
from slipway.logs.job_logs import LogSource, job_source, log_lines
from tests.slipway.jobs.test_jobs import OURS, REGION, train, transform, tune


def log(group: str, stream: str, *lines: str) -> None:
    """Append lines to a stream, as SageMaker does."""
    client = boto3.client("logs", REGION)
    if not client.describe_log_groups(logGroupNamePrefix=group)["logGroups"]:
        client.create_log_group(logGroupName=group)
    if not client.describe_log_streams(logGroupName=group, logStreamNamePrefix=stream)["logStreams"]:
        client.create_log_stream(logGroupName=group, logStreamName=stream)
    now = int(time.time() * 1000)
    client.put_log_events(
        logGroupName=group, logStreamName=stream, logEvents=[{"timestamp": now, "message": line} for line in lines]
    )


def test_a_training_jobs_lines_are_shown_and_no_other_jobs(aws_account, slipway):
    for name in ("dogs", "dogs-2"):
        train(name, OURS)
    log(TRAINING_GROUP, "dogs/algo-1-1", "Train Epoch: 1 [8/24 (33%)], Loss: 1.1", "saved the model")
    log(TRAINING_GROUP, "dogs/algo-2-1", "I am the second")
    log(TRAINING_GROUP, "dogs-2/algo-1-1", "of another job")
    done = slipway("logs", "dogs")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "Train Epoch: 1 [8/24 (33%)], Loss: 1.1",
        "saved the model",
        "I am the second",
    ]
    # The job has ended, so that following it ends too.
    assert slipway("logs", "dogs-2", "--follow").stdout.splitlines() == ["of another job"]


def test_a_transform_jobs_log_is_found_too_and_cut_to_its_last_lines(aws_account, slipway):
    transform("batch", OURS)
    log(TRANSFORM_GROUP, "batch/i-0123-abc", *(f"line {number}" for number in range(5)))
    assert slipway("logs", "batch", "--lines", 2).stdout.splitlines() == ["line 3", "line 4"]


def test_a_tuning_jobs_log_is_that_of_its_training_jobs(aws_account):
    tune("search", OURS)
    for name in ("search-001", "search-002"):
        log(TRAINING_GROUP, f"{name}/algo-1-1", f"{name} says")
    # The one operation that moto has not.
    listed = {"TrainingJobSummaries": [{"TrainingJobName": "search-002"}, {"TrainingJobName": "search-001"}]}
    answered = "ListTrainingJobsForHyperParameterTuningJob"
    passing = ("DescribeTrainingJob", "DescribeTransformJob", "DescribeHyperParameterTuningJob")
    aws = Aws(REGION, None)
    DryRun(passing=(*passing, "DescribeLogStreams", "GetLogEvents"), answers={answered: listed}).attach(aws)
    lines = log_lines(aws, job_source(aws, "search"), tail=None, follow=True)
    assert list(lines) == ["search-001 says", "search-002 says"]


def test_an_endpoints_log_is_followed_as_it_grows(aws_account, slipway):
    group = endpoint_group("dogs")
    log(group, "AllTraffic/i-0123", "loading the model", "ready")
    assert slipway("logs", "--endpoint", "dogs").stdout.splitlines() == ["loading the model", "ready"]
    source = LogSource(group, lambda: ("",), lambda: True)
    lines = log_lines(Aws(REGION, None), source, tail=1, follow=True, poll_s=0)
    assert list(islice(lines, 1)) == ["ready"]
    log(group, "AllTraffic/i-0123", "POST /invocations 200")
    assert list(islice(lines, 1)) == ["POST /invocations 200"]


def test_what_has_no_log_yet_says_so(aws_account, slipway):
    done = slipway("logs", "--endpoint", "young")
    assert done.returncode == 0, done.stderr
    assert "Nothing has been logged yet." in done.stdout
    assert "Endpoints$252Fyoung" in done.stdout


def test_a_job_that_is_not_there_is_one_clear_paragraph(aws_account, slipway):
    done = slipway("logs", "cats")
    assert done.returncode == 1
    assert f"there is no training, tuning, transform or processing job cats in {REGION}" in done.stderr
    assert "slipway jobs" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [[], ["dogs", "--endpoint", "dogs"]])
def test_it_is_a_job_or_an_endpoint(arguments, slipway):
    done = slipway("logs", *arguments)
    assert done.returncode == 2
    assert "Name a JOB or an --endpoint." in done.stderr
