"""`slipway doctor`: what it finds here and in an account, and that it never waits for long."""

import json
import threading
from importlib.metadata import version
from pathlib import Path

import pytest

from container.contract.errors import UserError
from slipway.aws.connection import Aws
from slipway.aws.dry_run import DryRun
from slipway.aws.policies import Place, execution_policy, granted, trust_policy
from slipway.doctor.account import Account
from slipway.doctor.docker import CUDA, OLDEST_DRIVER
from slipway.doctor.finding import Check, Finding, run_checks
from slipway.doctor.gpu import driver_suits
from slipway.doctor.python import check_sdk
from slipway.doctor.quotas import check_quotas
from slipway.doctor.role import check_execution_role, trusts_sagemaker
from slipway.doctor.settings import instance_types
from slipway.errors import DeniedError
from slipway.installed_sdk import installed_sdk
from slipway.settings.pushed_images import PushedImage, record_images

NUMBER = "111122223333"
REGION = "eu-west-1"
ROLE = f"arn:aws:iam::{NUMBER}:role/slipway-execution"
MOTO = "123456789012"


def found(done, name: str):
    return [check for check in json.loads(done.stdout)["checks"] if check["name"] == name]


def finding(done, name: str):
    [one] = found(done, name)
    return one


def test_without_an_account_this_machine_is_examined(nobody, slipway_here):
    done = slipway_here("doctor")
    assert version("slipway") in done.stdout
    for word in ("Python", "local training", "SageMaker SDK", "Docker", "GPU", "slipway.toml"):
        assert word in done.stdout
    assert "what is in AWS is not checked" in done.stdout
    assert "remedy: slipway init" in done.stdout


def test_credentials_that_are_needed_and_missing_fail(nobody, slipway_here):
    Path("slipway.toml").write_text(f'region = "{REGION}"\nrole = "{ROLE}"\n')
    done = slipway_here("doctor", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["ok"] is False
    assert finding(done, "credentials")["status"] == "failed"
    assert finding(done, "slipway.toml")["status"] == "ok"


def test_an_aws_that_does_not_answer_is_no_fault_of_the_user(nobody, slipway_here, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "unused")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "unused")
    done = slipway_here("doctor", "--region", REGION, "--json")
    assert finding(done, "credentials")["status"] == "unknown"
    assert "HTTPS_PROXY" in finding(done, "credentials")["remedy"]


def test_a_damaged_settings_file_is_a_finding(nobody, slipway_here):
    Path("slipway.toml").write_text('[train]\ninstance-typ = "ml.g4dn.xlarge"\n')
    done = slipway_here("doctor", "--json")
    assert done.returncode == 1
    assert "did you mean instance-type?" in finding(done, "slipway.toml")["text"]
    assert slipway_here("images").returncode == 1


def test_docker_is_reported_where_it_is_missing_or_does_not_answer(nobody, slipway_here, monkeypatch, tmp_path):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nothing.sock")
    program = tmp_path / "bin" / "docker"
    program.parent.mkdir()
    monkeypatch.setenv("PATH", str(program.parent))
    assert finding(slipway_here("doctor", "--json"), "Docker")["status"] == "absent"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    silent = slipway_here("doctor", "--json")
    assert silent.returncode == 1
    assert "start Docker" in finding(silent, "Docker")["remedy"]


def test_images_of_another_version_are_to_be_built_again(nobody, slipway_here, monkeypatch, tmp_path):
    program = tmp_path / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(
        '#!/bin/sh\ncase "$*" in\n*slipway:train*) echo \'{"org.opencontainers.image.version": "0.0.1"}\';;\n'
        "*inspect*) exit 1;;\n*) echo 27.0;;\nesac\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    done = slipway_here("doctor", "--json")
    assert "version 0.0.1" in finding(done, "train image")["text"]
    assert finding(done, "train image")["status"] == "failed"
    assert finding(done, "serve image")["status"] == "absent"


def test_a_gpu_is_compared_with_what_the_images_need(nobody, slipway_here, monkeypatch, tmp_path):
    programs = {
        "nvidia-smi": 'case "$*" in\n*query*) echo "Tesla T4, 535.54.03"; echo "Tesla T4, 535.54.03";;\n'
        '*) echo "| Driver Version: 535.54.03   CUDA Version: 12.2 |";;\nesac',
        "docker": f'case "$*" in\n*inspect*) echo \'{{"{CUDA}": "13.0", "{OLDEST_DRIVER}": "580"}}\';;\n'
        "*) echo 27.0;;\nesac",
    }
    for name, text in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    done = slipway_here("doctor", "--json")
    assert finding(done, "GPU")["text"] == "2 x Tesla T4; driver 535.54.03 (CUDA 12.2)"
    assert "CUDA 13.0 needs 580 or later" in found(done, "driver")[0]["text"]
    assert found(done, "driver")[0]["remedy"].startswith(
        "build the images for CUDA 12: ./build.sh --cuda 12; or update"
    )
    assert done.returncode == 1


def test_a_new_driver_suits_an_image():
    assert driver_suits("slipway:train", {CUDA: "13.0", OLDEST_DRIVER: "580"}, "595.10").status == "ok"


@pytest.mark.parametrize(
    ("packages", "parts", "status", "text"),
    [
        ({}, (), "absent", "none"),
        ({"sagemaker": "2.257.7", "sagemaker-core": "1.0.78"}, ("estimator.py",), "ok", "version 2.257.7"),
        ({"sagemaker-train": "1.27.0", "sagemaker-core": "2.27.0"}, ("train",), "ok", "version 3"),
        (
            {"sagemaker": "2.257.7", "sagemaker-train": "1.27.0"},
            ("estimator.py", "train"),
            "failed",
            "of both versions",
        ),
        ({"sagemaker": "2.257.7", "sagemaker-core": "2.27.0"}, ("estimator.py",), "failed", "of both versions"),
        ({"sagemaker-core": "2.27.0"}, (), "failed", "half installed: sagemaker-core 2.27.0 without sagemaker-train"),
        (
            {"sagemaker-train": "1.27.0", "sagemaker-core": "2.27.0"},
            ("estimator.py", "train"),
            "failed",
            "in one folder",
        ),
        ({}, ("estimator.py",), "failed", "was removed"),
    ],
)
def test_the_sdk_is_two_or_three_or_none_or_a_mixture(monkeypatch, tmp_path, packages, parts, status, text):
    """With the metadata that pip leaves, in a folder that is searched before the environment's."""
    for name, number in packages.items():
        folder = tmp_path / f"{name.replace('-', '_')}-{number}.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {number}\n")
    (tmp_path / "sagemaker").mkdir()
    (tmp_path / "sagemaker" / "__init__.py").touch()
    for part in parts:
        (tmp_path / "sagemaker" / part).touch()
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    monkeypatch.delitem(__import__("sys").modules, "sagemaker", raising=False)
    installed_sdk.cache_clear()
    try:
        sdk = check_sdk()
    finally:
        installed_sdk.cache_clear()
    assert (sdk.status, text in sdk.text) == (status, True), sdk


def test_what_init_sets_up_is_found(aws_account, slipway_here, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert slipway_here("init", "--bucket", "my-dogs", "--yes").returncode == 0
    done = slipway_here("doctor", "--json")
    assert finding(done, "credentials")["text"].startswith(f"account {MOTO}")
    for name in ("region", "bucket", "role"):
        assert finding(done, name)["status"] == "ok"
    assert finding(done, "images in ECR")["remedy"] == f"./build.sh && ./push.sh --region {REGION}"
    # moto simulates no policies, and that is said.
    assert finding(done, "permissions")["status"] == "unknown"
    assert finding(done, "quotas")["status"] == "absent"


def test_what_is_set_up_and_gone_fails(aws_account, slipway_here, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    host = f"{MOTO}.dkr.ecr.{REGION}.amazonaws.com/slipway"
    image = PushedImage(
        target="train",
        uri=f"{host}:train-3f2a",
        digest_uri=f"{host}@sha256:{'0' * 64}",
        region=REGION,
        account=MOTO,
        revision="3f2a",
        pushed="2026-11-29T12:00:00+00:00",
        labels={},
    )
    record_images([image])
    Path("slipway.toml").write_text(f'role = "arn:aws:iam::{MOTO}:role/gone"\nbucket = "gone"\n')
    done = slipway_here("doctor", "--json")
    assert done.returncode == 1
    for name in ("bucket", "role", "train in ECR"):
        assert finding(done, name)["status"] == "failed"
        assert finding(done, name)["remedy"]


def account(**answers) -> Account:
    aws = Aws(REGION, None)
    DryRun(answers=answers).attach(aws)
    return Account(aws=aws, number=NUMBER)


def simulated(*refused: str):
    actions = [action for some, _, _ in granted(execution_policy(PLACE)) for action in some]
    results = [
        {"EvalActionName": action, "EvalDecision": "implicitDeny" if action in refused else "allowed"}
        for action in actions
    ]
    return {"EvaluationResults": results}


PLACE = Place(account=NUMBER, region=REGION, bucket="my-dogs")


def role_of(**more):
    return {"GetRole": {"Role": {"AssumeRolePolicyDocument": json.dumps(trust_policy(NUMBER))}}, **more}


def test_a_missing_permission_of_the_role_is_named():
    here = account(**role_of(SimulatePrincipalPolicy=simulated("s3:PutObject")))
    role, permissions = check_execution_role(here, ROLE, "my-dogs", "slipway")
    assert role.status == "ok"
    assert permissions.status == "failed"
    assert "s3:PutObject" in permissions.text
    assert "s3:GetObject" not in permissions.text


def test_a_role_with_every_permission_is_fine():
    here = account(**role_of(SimulatePrincipalPolicy=simulated()))
    assert [one.status for one in check_execution_role(here, ROLE, "my-dogs", "slipway")] == ["ok", "ok"]


@pytest.mark.parametrize(
    ("role", "text"), [("slipway", "must be the ARN"), ("arn:aws:iam::999999999999:role/a", "belongs to the account")]
)
def test_a_role_that_no_job_could_get_fails(role, text):
    [one] = check_execution_role(account(), role, None, "slipway")
    assert one.status == "failed"
    assert text in f"{one.text}; {one.remedy}"


@pytest.mark.parametrize(
    "policy",
    [
        {"Statement": {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}},
        trust_policy("999999999999"),
    ],
)
def test_a_role_that_sagemaker_may_not_assume_fails(policy):
    assert trusts_sagemaker(ROLE, policy, NUMBER).status == "failed"


def test_quotas_of_zero_fail_and_say_how_to_ask_for_more():
    quotas = [
        {"QuotaName": "ml.g4dn.xlarge for training job usage", "Value": 0.0, "QuotaCode": "L-3F53BF0F"},
        {"QuotaName": "ml.g4dn.xlarge for endpoint usage", "Value": 2.0, "QuotaCode": "L-B67CFA0C"},
    ]
    wanted = [("ml.g4dn.xlarge", "training"), ("ml.g4dn.xlarge", "endpoint"), ("ml.x9.large", "transform")]
    none, two, unknown = check_quotas(account(ListServiceQuotas={"Quotas": quotas}), wanted)
    assert none.status == "failed"
    assert "--quota-code L-3F53BF0F" in none.remedy
    assert (two.status, two.text) == ("ok", "ml.g4dn.xlarge for endpoint: 2 at once")
    assert unknown.status == "unknown"


def test_the_instance_types_of_the_settings_file_are_checked(nobody):
    Path("slipway.toml").write_text(
        '[train]\ninstance-type = "ml.g4dn.xlarge"\nspot = true\n[compare]\ninstance-type = "ml.g4dn.xlarge"\n'
        '[tune]\ninstance-type = "ml.g4dn.xlarge"\n[deploy]\ninstance-type = "local"\n[data]\n'
    )
    assert list(instance_types()) == [("ml.g4dn.xlarge", "spot training"), ("ml.g4dn.xlarge", "training")]


def test_a_check_that_hangs_is_given_up_and_the_others_are_not():
    release = threading.Event()
    quick = Finding(name="quick", status="ok", text="there")
    hanging = Check(name="hanging", run=lambda: [quick] if release.wait() else [], limit_s=0.1)
    [[given_up], [other]] = run_checks([hanging, Check(name="quick", run=lambda: [quick])])
    release.set()
    assert (given_up.status, given_up.text) == ("unknown", "no answer within 0.1 s")
    assert other is quick


@pytest.mark.parametrize(("error", "status"), [(UserError("no; try"), "failed"), (DeniedError("no; try"), "unknown")])
def test_a_check_that_may_not_look_does_not_fail(error, status):
    def refuse():
        raise error

    [[one]] = run_checks([Check(name="one", run=refuse)])
    assert (one.status, one.text, one.remedy) == (status, "no", "try")


def test_a_fault_of_a_check_is_not_hidden():
    with pytest.raises(ZeroDivisionError):
        run_checks([Check(name="one", run=lambda: 1 / 0)])
