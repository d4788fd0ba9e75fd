"""What is said of a job's rules, tensors and measurements, and an earlier job's debugger taken over by the next one."""

import json
from typing import Any

import pytest
from sagemaker.debugger import FrameworkProfile, ProfilerConfig, Rule, rule_configs

from slipway.options.result import Result
from slipway.train.on_sagemaker import print_debugger_results
from slipway.training.rule_evaluations import evaluations_of, outputs_of
from tests.slipway.sagemaker_account import DryAccount

TRAIN = {"train": "s3://my-dogs/dogImages/train"}
PROCESSING = "arn:aws:sagemaker:eu-west-1:111122223333:processing-job/dogs-vanishinggradient-1"


@pytest.fixture(scope="module", params=[False, True], ids=["without an SDK", "version 2"])
def shared(request) -> DryAccount:
    """Every test is of both kinds of Estimator."""
    return DryAccount(sdk=request.param)


def trained(account: DryAccount, **arguments: Any) -> Any:
    """One whose job, named dogs, has been started."""
    started = account.estimator(**arguments)
    started.fit(TRAIN, wait=False, job_name="dogs")
    return started


def ended(account: DryAccount, **more: Any) -> dict[str, Any]:
    """What DescribeTrainingJob answers of the job that was asked for last, once it has ended."""
    asked = account.body("CreateTrainingJob")
    description = {
        **asked,
        "TrainingJobStatus": "Completed",
        "TrainingJobArn": "arn:aws:sagemaker:eu-west-1:111122223333:training-job/dogs",
        "ModelArtifacts": {"S3ModelArtifacts": "s3://my-dogs/jobs/dogs/output/model.tar.gz"},
        **more,
    }
    account.answer(DescribeTrainingJob=description, ListTags={"Tags": []})
    return description


def test_each_rule_says_how_it_stands_and_where_its_job_is(account):
    estimator = trained(account, rules=["VanishingGradient", "Overfit", "ProfilerReport"])
    found = {"RuleConfigurationName": "VanishingGradient", "RuleEvaluationStatus": "IssuesFound"}
    ended(
        account,
        DebugRuleEvaluationStatuses=[
            {**found, "StatusDetails": "RuleEvaluationConditionMet:\n step 100", "RuleEvaluationJobArn": PROCESSING}
        ],
        ProfilerRuleEvaluationStatuses=[
            {"RuleConfigurationName": "ProfilerReport", "RuleEvaluationStatus": "NoIssuesFound"}
        ],
    )
    vanishing, overfit, report = estimator.rule_summary()
    assert vanishing.describe() == "VanishingGradient: issues found (RuleEvaluationConditionMet: step 100)"
    assert vanishing.processing_job == "dogs-vanishinggradient-1"
    assert (vanishing.kind, vanishing.ended) == ("tensors", True)
    assert overfit.describe() == "Overfit: waiting"
    assert not overfit.ended
    assert (report.kind, report.outputs) == ("profiler", "s3://my-dogs/jobs/dogs/rule-output/ProfilerReport")
    outputs = estimator.debugger_outputs()
    assert outputs is not None
    assert outputs.tensors == "s3://my-dogs/jobs/dogs/debug-output"
    assert outputs.profiler == "s3://my-dogs/jobs/dogs/profiler-output"
    assert outputs.report == f"{report.outputs}/profiler-output/profiler-report.html"


def test_the_end_of_slipway_train_says_it_all_and_what_reads_it(account, capsys):
    estimator = trained(account, debug=True, rules=["Overfit", "ProfilerReport"])
    passed = {"RuleConfigurationName": "Overfit", "RuleEvaluationStatus": "NoIssuesFound"}
    ended(account, DebugRuleEvaluationStatuses=[passed])
    print_debugger_results(estimator, Result(None))
    base = "s3://my-dogs/jobs/dogs"
    assert capsys.readouterr().out.splitlines() == [
        f"  outputs  {base}/output/output.tar.gz",
        f"  tensors  {base}/debug-output",
        f"  profiler {base}/profiler-output",
        "  rule     Overfit: no issues found",
        "  rule     ProfilerReport: waiting",
        f"  report   {base}/rule-output/ProfilerReport/profiler-output/profiler-report.html",
        '  Rules run on after the job; for their results: Estimator.attach("dogs").rule_summary()',
        f"Next: slipway debug {base}/debug-output",
        f"Next: slipway report {base}/profiler-output",
    ]


def test_a_job_without_any_of_it_has_no_addresses(account):
    trained(account, disable_profiler=True)
    description = ended(account)
    assert evaluations_of(description) == ()
    outputs = outputs_of(description)
    assert (outputs.tensors, outputs.profiler, outputs.report) == (None, None, None)


def test_before_the_first_job_and_in_local_mode_there_is_nothing_to_tell(account):
    fresh = account.estimator()
    assert fresh.rule_summary() == ()
    assert fresh.debugger_outputs() is None
    assert account.recorded.requests == []


@pytest.mark.parametrize("shared", [True], indirect=True, ids=["version 2"])
def test_attaching_keeps_the_debugger_the_profiler_and_the_rules(account):
    actions = rule_configs.ActionList(rule_configs.StopTraining(), rule_configs.Email("me@example.com"))
    trained(
        account,
        debug=True,
        rules=[Rule.sagemaker(rule_configs.overfit(), actions=actions), "VanishingGradient", "LowGPUUtilization"],
        profiler_config=ProfilerConfig(
            system_monitor_interval_millis=100, framework_profile_params=FrameworkProfile("/opt/ml/elsewhere")
        ),
    )
    first = ended(account)
    attached = account.attached()
    attached.fit(TRAIN, wait=False, job_name="again")
    again = account.body("CreateTrainingJob")
    assert again["ProfilerConfig"]["ProfilingParameters"]["LocalPath"] == "/opt/ml/elsewhere"
    for member in ("DebugHookConfig", "ProfilerConfig", "ProfilerRuleConfigurations"):
        assert again[member] == first[member]
    overfit, vanishing = again["DebugRuleConfigurations"]
    assert vanishing == first["DebugRuleConfigurations"][1]
    # The rule stops the job that it looks on, not the earlier one.
    before = first["DebugRuleConfigurations"][0]["RuleParameters"]["action_json"]
    assert "dogs" in before
    assert overfit["RuleParameters"]["action_json"] == before.replace("dogs", "again")


def test_attaching_to_a_job_without_a_profiler_leaves_it_off(account):
    trained(account, disable_profiler=True)
    ended(account)
    account.attached().fit(TRAIN, wait=False)
    assert account.body("CreateTrainingJob")["ProfilerConfig"] == {"DisableProfiler": True}


@pytest.mark.parametrize("shared", [True], indirect=True, ids=["version 2"])
def test_an_action_on_jobs_of_another_name_stays_as_it_is(account):
    actions = rule_configs.ActionList(rule_configs.StopTraining("cats"), rule_configs.SMS("+491234567"))
    trained(account, rules=[Rule.sagemaker(rule_configs.overfit(), actions=actions)])
    [first] = ended(account)["DebugRuleConfigurations"]
    account.attached().fit(TRAIN, wait=False)
    assert account.body("CreateTrainingJob")["DebugRuleConfigurations"] == [first]


@pytest.mark.parametrize("shared", [False], indirect=True, ids=["without an SDK"])
def test_a_rule_that_stopped_the_earlier_job_stops_the_next_one(account):
    stop, email = {"name": "stoptraining", "training_job_prefix": "dogs"}, {"name": "email", "endpoint": "dogs@a.org"}
    rule = {
        "RuleConfigurationName": "Overfit",
        "RuleEvaluatorImage": "mine",
        "RuleParameters": {"rule_to_invoke": "Overfit", "action_json": json.dumps([stop, email])},
    }
    trained(account, rules=rule)
    ended(account)
    account.attached().fit(TRAIN, wait=False, job_name="again")
    [again] = account.body("CreateTrainingJob")["DebugRuleConfigurations"]
    stop, email = json.loads(again["RuleParameters"]["action_json"])
    assert (stop["training_job_prefix"], email["endpoint"]) == ("again", "dogs@a.org")
