"""What SageMaker's Debugger and profiler are asked for: requests that botocore has validated, and that go nowhere."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from sagemaker.debugger import (
    CollectionConfig,
    DebuggerHookConfig,
    ProfilerConfig,
    ProfilerRule,
    Rule,
    rule_configs,
)
from smdebug_rulesconfig.profiler_rules.rules import ProfilerRuleBase

from container.contract.debugger_defaults import REDUCTIONS, hook_parameters
from slipway.errors import SettingError
from slipway.sdk2.estimator import Estimator
from slipway.sdk2.tuner import Tuner as SdkTuner
from slipway.training.debugger_rules import PROFILER_RULES, TENSOR_RULES, as_rules
from slipway.tuning.tuner import Tuner
from tests.slipway.sagemaker_account import IMAGE, DryAccount

TRAIN = {"train": "s3://my-dogs/dogImages/train"}


@pytest.fixture(scope="module", params=[False, True], ids=["without an SDK", "version 2"])
def shared(request) -> DryAccount:
    """Every test is of both kinds of Estimator."""
    return DryAccount(sdk=request.param)


def request(account: DryAccount, **arguments: Any) -> Mapping[str, Any]:
    account.estimator(**arguments).fit(TRAIN, wait=False, job_name="dogs")
    return account.body("CreateTrainingJob")


def collections(body: Mapping[str, Any]) -> dict[str, Any]:
    """What is saved: each collection's parameters by its name, which comes once."""
    configured = body["DebugHookConfig"]["CollectionConfigurations"]
    found = {entry["CollectionName"]: entry.get("CollectionParameters", {}) for entry in configured}
    assert len(found) == len(configured)
    return found


def test_without_a_word_nothing_is_measured_and_no_tensor_saved(account):
    body = request(account)
    asked = {"ProfilerConfig", "DebugHookConfig", "DebugRuleConfigurations", "ProfilerRuleConfigurations"}
    assert not asked & body.keys()
    assert "HyperParameters" not in body or body["HyperParameters"] == {}


@pytest.mark.parametrize("arguments", [{"debug": True}, {"hyperparameters": {"debug": "true"}}])
def test_debug_is_the_hyperparameter_and_the_hook_of_sagemakers_debugger(account, arguments):
    body = request(account, **arguments)
    assert body["HyperParameters"]["debug"].lower() == "true"
    assert body["DebugHookConfig"]["S3OutputPath"] == "s3://my-dogs/jobs"
    assert body["DebugHookConfig"]["HookParameters"] == hook_parameters()
    saved = collections(body)
    assert [*saved] == ["losses", "labels", "predictions", "weights", "biases", "gradients", "relu_output"]
    assert {name for name, parameters in saved.items() if parameters.get("reductions") == REDUCTIONS} == {
        "weights", "biases", "gradients", "relu_output",
    }  # fmt: skip


def test_debug_that_is_set_later_has_the_hook_too(account):
    later = account.estimator()
    later.set_hyperparameters(debug=True)
    later.fit(TRAIN, wait=False)
    assert "losses" in collections(account.body("CreateTrainingJob"))


def test_a_hook_configuration_of_the_users_passes_through(account):
    hook = DebuggerHookConfig(
        s3_output_path="s3://tensors",
        container_local_output_path="/opt/ml/output/elsewhere",
        hook_parameters={"save_interval": "7"},
        collection_configs=[CollectionConfig("gradients", {"save_interval": "3"})],
    )
    body = request(account, debug=hook, rules=["VanishingGradient"])
    assert body["DebugHookConfig"]["S3OutputPath"] == "s3://tensors"
    assert body["DebugHookConfig"]["LocalPath"] == "/opt/ml/output/elsewhere"
    assert body["DebugHookConfig"]["HookParameters"] == {"save_interval": "7"}
    assert collections(body) == {"gradients": {"save_interval": "3"}}
    assert "debug" not in body.get("HyperParameters", {})


def test_the_sdks_word_for_a_hook_means_our_default(account):
    assert "relu_output" in collections(request(account, debugger_hook_config=True))


@pytest.mark.parametrize("name", [*TENSOR_RULES, *PROFILER_RULES])
def test_every_rule_is_known_by_its_name_however_it_is_written(name):
    written = [name, name.lower(), name.upper(), re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()]
    for form in (*written, written[-1].replace("_", "-")):
        [rule] = as_rules(form)
        assert rule.name == name
        assert rule.parameters["rule_to_invoke"] == name


def test_the_profiler_rules_are_those_of_the_sdk():
    classes = [each for each in vars(rule_configs).values() if isinstance(each, type)]
    assert sorted(each.__name__ for each in classes if issubclass(each, ProfilerRuleBase)) == sorted(PROFILER_RULES)


def test_the_documents_table_of_rules_is_the_codes():
    page = (Path(__file__).parents[3] / "docs" / "sagemaker.md").read_text()
    for name, rule in TENSOR_RULES.items():
        assert f"| {name} | {', '.join(rule.collections)} |\n" in page
    assert f"| {', '.join(PROFILER_RULES)} |" in page


def test_a_rule_on_tensors_by_name_has_whole_tensors_to_read(account):
    body = request(account, rules=["VanishingGradient"])
    [rule] = body["DebugRuleConfigurations"]
    assert rule["RuleConfigurationName"] == "VanishingGradient"
    assert rule["RuleParameters"] == {"rule_to_invoke": "VanishingGradient"}
    assert rule["RuleEvaluatorImage"].endswith("/sagemaker-debugger-rules:latest")
    assert collections(body) == {"losses": {}, "gradients": {"save_interval": "100"}}
    assert "ProfilerRuleConfigurations" not in body


def test_what_a_rule_needs_counts_for_more_than_our_default(account):
    body = request(account, debug=True, rules="DeadRelu")
    saved = collections(body)
    assert "reductions" not in saved["relu_output"]
    assert saved["weights"]["reductions"] == REDUCTIONS


@pytest.mark.parametrize("shared", [True], indirect=True, ids=["version 2"])
def test_rules_of_the_sdks_and_names_may_be_mixed(account):
    body = request(
        account,
        rules=[
            "Overfit",
            Rule.sagemaker(rule_configs.exploding_tensor(), rule_parameters={"only_nan": "True"}),
            "LowGPUUtilization",
            ProfilerRule.sagemaker(rule_configs.ProfilerReport(CPUBottleneck_threshold=60), name="mine"),
        ],
    )
    tensors = {rule["RuleConfigurationName"]: rule["RuleParameters"] for rule in body["DebugRuleConfigurations"]}
    assert [*tensors] == ["Overfit", "ExplodingTensor"]
    assert tensors["ExplodingTensor"]["only_nan"] == "True"
    profiler = {rule["RuleConfigurationName"]: rule["RuleParameters"] for rule in body["ProfilerRuleConfigurations"]}
    assert profiler["LowGPUUtilization"] == {"rule_to_invoke": "LowGPUUtilization"}
    assert profiler["mine"] == {"CPUBottleneck_threshold": "60", "rule_to_invoke": "ProfilerReport"}


@pytest.mark.parametrize("shared", [True], indirect=True, ids=["version 2"])
def test_an_action_of_a_rule_of_the_sdks_is_on_the_job_that_is_started(account):
    stop = Rule.sagemaker(rule_configs.overfit(), actions=rule_configs.ActionList(rule_configs.StopTraining()))
    twice = account.estimator(rules=stop)
    for name in ("first", "second"):
        twice.fit(TRAIN, wait=False, job_name=name)
        [rule] = account.body("CreateTrainingJob")["DebugRuleConfigurations"]
        action = rule["RuleParameters"]["action_json"].replace("\\", "")
        assert f'"training_job_prefix": "{name}"' in action


def test_a_rule_on_measurements_alone_has_them_taken_and_saves_no_tensors(account):
    body = request(account, rules=["ProfilerReport"])
    assert body["ProfilerConfig"] == {"S3OutputPath": "s3://my-dogs/jobs", "DisableProfiler": False}
    assert "DebugHookConfig" not in body


def test_a_second_job_asks_for_the_same(account):
    twice = account.estimator(debug=True, rules=["DeadRelu"])
    for name in ("first", "second"):
        twice.fit(TRAIN, wait=False, job_name=name)
    first, second = (made.parameters for made in account.recorded.writes)
    assert first["DebugHookConfig"] == second["DebugHookConfig"]


def test_the_profilers_configuration_passes_through(account):
    config = ProfilerConfig(s3_output_path="s3://measured", system_monitor_interval_millis=100)
    assert request(account, profiler_config=config)["ProfilerConfig"] == {
        "S3OutputPath": "s3://measured", "DisableProfiler": False, "ProfilingIntervalInMilliseconds": 100,
    }  # fmt: skip
    assert request(account, disable_profiler=True)["ProfilerConfig"] == {"DisableProfiler": True}


@pytest.mark.parametrize(("profile", "sent"), [(True, {}), (False, {"profile": "False"})])
def test_the_images_own_profiler_is_a_hyperparameter_only_where_it_is_switched_off(account, profile, sent):
    assert request(account, profile=profile).get("HyperParameters", {}) == sent


def test_a_script_of_the_users_gets_the_hook_and_no_hyperparameter_of_ours(account, tmp_path):
    (tmp_path / "mine.py").write_text("print('hello')\n")
    body = request(account, entry_point=str(tmp_path / "mine.py"), debug=True, profile=False)
    assert "gradients" in collections(body)
    assert not {"debug", "profile"} & body["HyperParameters"].keys()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rules": ["VanishingGradeint"]}, "SageMaker has no rule 'VanishingGradeint'; did you mean VanishingGradient"),
        ({"rules": ["low_gpu_utilisation"]}, "did you mean LowGPUUtilization"),
        ({"rules": ["xyz"]}, "there are: AllZero, ClassImbalance, .*StepOutlier"),
        ({"rules": ["Dataloader"]}, "only as a part of ProfilerReport"),
        ({"rules": ["similar_across_runs"]}, "SimilarAcrossRuns needs parameters .* in Python"),
        ({"rules": [7]}, "rules holds 7; give names such as"),
        ({"rules": ["Overfit", "over-fit"]}, "the rule Overfit is given twice"),
        (
            {"rules": [{"RuleConfigurationName": f"r{n}", "RuleEvaluatorImage": "mine"} for n in range(21)]},
            "21 rules are given, and SageMaker takes 20",
        ),
        ({"debug": DebuggerHookConfig(), "debugger_hook_config": DebuggerHookConfig()}, "leave out one of them"),
        ({"rules": ["ProfilerReport"], "disable_profiler": True}, "the rule ProfilerReport reads what .* measures"),
        (
            {"rules": ["ProfilerReport"], "profiler_config": ProfilerConfig(disable_profiler=True)},
            "switched off or not to be had",
        ),
        ({"profiler_config": ProfilerConfig(), "disable_profiler": True}, "profiler_config is given"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_asked_of_aws(account, arguments, message):
    with pytest.raises(SettingError, match=message):
        account.estimator(**arguments)
    assert account.recorded.requests == []


@pytest.mark.parametrize(
    ("region", "arguments", "fits"),
    [
        ("eu-central-2", {"debug": True}, False),
        ("ca-west-1", {"rules": ["Overfit"]}, False),
        ("eu-central-2", {}, True),
    ],
)
def test_a_region_without_the_debugger_is_named(account, monkeypatch, region, arguments, fits):
    monkeypatch.setattr(type(account.session) if account.sdk else account.session, "boto_region_name", region)
    image = IMAGE.replace("eu-west-1", region)
    if fits:
        account.estimator(image_uri=image, **arguments).fit(TRAIN, wait=False)
        assert "ProfilerConfig" not in account.body("CreateTrainingJob")
    else:
        with pytest.raises(SettingError, match=f"SageMaker has no Debugger in {region}"):
            account.estimator(image_uri=image, **arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rules": ["Overfit"]}, "local mode runs no rules, such as Overfit.*slipway debug"),
        ({"debug": DebuggerHookConfig()}, "gives the container no hook configuration; debug=True"),
    ],
)
def test_local_mode_says_what_it_cannot_do(account, arguments, message):
    with pytest.raises(SettingError, match=message):
        Estimator(instance_type="local", image_uri="slipway:train", **arguments)


def test_local_mode_has_the_debugger_by_the_hyperparameter():
    here = Estimator(instance_type="local", image_uri="slipway:train", debug=True)
    assert here.hyperparameters() == {"debug": True}
    assert not here.debugger_hook_config


@pytest.mark.parametrize("arguments", [{"debug": True}, {"rules": ["ProfilerReport"]}])
def test_a_tuning_job_has_no_place_for_them(account, arguments):
    with pytest.raises(SettingError, match="tuning jobs have neither"):
        (SdkTuner if account.sdk else Tuner)(account.estimator(**arguments))
