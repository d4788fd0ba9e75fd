"""Checks the execution role: that it exists, that SageMaker may assume it, and what it may do."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from slipway.aws.connection import Service
from slipway.aws.policies import Place, execution_policy, granted
from slipway.aws.refusals import AwsError
from slipway.checks.request import check_role
from slipway.doctor.account import Account
from slipway.doctor.finding import Finding
from slipway.errors import DeniedError, ServiceError, SettingError

_SAGEMAKER = "sagemaker.amazonaws.com"
_METRICS = "/aws/sagemaker/TrainingJobs"


def check_execution_role(account: Account, role: str | None, bucket: str | None, repository: str) -> Iterator[Finding]:
    """Find whether the role exists and is SageMaker's to assume, and simulate what docs/iam.md says it needs.

    Args:
        account: Credentials and account.
        role: ARN of the role.
        bucket: Name of the bucket that it must reach; None: that is not checked.
        repository: Name of the repository in ECR.
    """
    if not role:
        text = "none is named; jobs and endpoints need one"
        yield Finding(name="role", status="absent", text=text, remedy="slipway init makes one; or --role")
        return
    try:
        check_role(role)
        if (owner := role.split(":")[4]) != account.number:
            raise SettingError(
                f"{role} belongs to the account {owner}, and these credentials to {account.number}; "
                "a job can only get a role of its own account: name one, or use other credentials"
            )
    except SettingError as error:
        text, _, remedy = str(error).partition("; ")
        yield Finding(name="role", status="failed", text=text, remedy=remedy)
        return
    iam = account.aws.service("iam", quick=True)
    try:
        answer = iam.call("GetRole", RoleName=role.rpartition("/")[2])["Role"]
    except DeniedError as error:
        yield Finding(name="role", status="unknown", text=f"{role}: {error}", remedy="see docs/iam.md, DoctorRole")
    except AwsError as error:
        if error.code != "NoSuchEntity":
            raise
        yield Finding(name="role", status="failed", text=f"{role} does not exist", remedy="slipway init makes it")
        return
    else:
        yield trusts_sagemaker(role, answer["AssumeRolePolicyDocument"], account.number)
    bucket = bucket.removeprefix("s3://").partition("/")[0] if bucket else None
    yield _permissions(iam, account, role, bucket, repository)


def trusts_sagemaker(role: str, policy: Mapping[str, Any], account: str) -> Finding:
    """Find whether a trust policy lets SageMaker assume the role for jobs of the account."""
    for statement in _several(policy.get("Statement", ())):
        principal = statement.get("Principal", {})
        services = _several(principal.get("Service", ())) if isinstance(principal, Mapping) else [principal]
        accounts = statement.get("Condition", {}).get("StringEquals", {}).get("aws:SourceAccount", account)
        if statement.get("Effect") == "Allow" and _SAGEMAKER in services and account in _several(accounts):
            return Finding(name="role", status="ok", text=role)
    text = f"{role} may not be assumed by {_SAGEMAKER}"
    return Finding(name="role", status="failed", text=text, remedy="give it the trust policy of docs/iam.md")


def _permissions(iam: Service, account: Account, role: str, bucket: str | None, repository: str) -> Finding:
    place = Place(
        account=account.number,
        region=account.aws.region,
        bucket=bucket or "",
        repository=repository,
        partition=account.aws.partition,
    )
    name = "permissions"
    missing: list[str] = []
    count = 0
    try:
        for actions, resources, _condition in granted(execution_policy(place)):
            if not bucket and actions[0].startswith("s3:"):
                continue
            count += len(actions)
            missing += _refused(iam, role, actions, resources)
    except DeniedError as error:
        text = f"what the role may do is not known: {error}"
        return Finding(name=name, status="unknown", text=text, remedy="see docs/iam.md, DoctorRole")
    except ServiceError as error:
        return Finding(name=name, status="unknown", text=f"what the role may do is not known: {error}")
    if missing:
        text = f"the role may not {', '.join(missing)}"
        return Finding(name=name, status="failed", text=text, remedy="give it the policy of docs/iam.md")
    beside = "" if bucket else "; those on a bucket were not checked, since none is named"
    return Finding(name=name, status="ok", text=f"the role may do all {count} actions of docs/iam.md{beside}")


def _refused(iam: Service, role: str, actions: Iterable[str], resources: Iterable[str]) -> list[str]:
    context = {
        "ContextKeyName": "cloudwatch:namespace",
        "ContextKeyValues": [_METRICS],
        "ContextKeyType": "string",
    }
    results = iam.pages(
        "SimulatePrincipalPolicy",
        "EvaluationResults",
        PolicySourceArn=role,
        ActionNames=list(actions),
        ResourceArns=list(resources),
        ContextEntries=[context],
    )
    return [result["EvalActionName"] for result in results if result["EvalDecision"] != "allowed"]


def _several(value: Any) -> list[Any]:
    """A policy's value as a list; a single one may stand without brackets."""
    return value if isinstance(value, list) else [value] if isinstance(value, str | Mapping) else list(value)
