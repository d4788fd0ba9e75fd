"""Creates the execution role with the policies of docs/iam.md."""

import json
import re
from typing import Any

from slipway.aws.connection import Service
from slipway.aws.policies import Place, execution_policy, trust_policy
from slipway.aws.refusals import AwsError
from slipway.errors import SettingError
from slipway.init.step import Step, Steps

POLICY_NAME = "slipway"
"""Name of the role's inline policy."""

_MISSING = "NoSuchEntity"
_NAME = re.compile(r"[\w+=,.@-]{1,64}", re.ASCII)


def check_role_name(name: str) -> str:
    """Return the name of a role, without a path.

    Raises:
        SettingError: IAM would refuse it.
    """
    if not _NAME.fullmatch(name):
        raise SettingError(
            f"{name!r} is not a role's name; IAM takes up to 64 letters, digits and +=,.@_- (not an ARN; "
            "a role that is there goes into slipway.toml, with role = )"
        )
    return name


def plan_role(iam: Service, place: Place) -> tuple[list[str], Steps]:
    """Look for the role.

    A role that has policies of others is used as it is; `slipway doctor` says whether they suffice. One whose policy
    is missing, after an interruption, or was made for another bucket, gets it.

    Returns:
        A sentence about it if it is there, and the steps that create what is missing.

    Raises:
        ServiceError: AWS refuses.
    """
    name = place.role
    wanted = execution_policy(place)
    try:
        iam.call("GetRole", RoleName=name)
    except AwsError as error:
        if error.code != _MISSING:
            raise
        return [], role_steps(iam, place)
    own = _own_policy(iam, name)
    if own == wanted:
        return [f"the role {name} is there, with its policy"], []
    if own is not None:
        there = f"the role {name} is there, and its policy {POLICY_NAME} is for something else"
        return [there], [_policy_step(iam, place)]
    if not _has_policies(iam, name):
        return [f"the role {name} is there, without a policy"], [_policy_step(iam, place)]
    return [f"the role {name} is there, and is used as it is; slipway doctor checks its permissions"], []


def role_steps(iam: Service, place: Place) -> Steps:
    """Build the steps that create the role with its policy."""
    name = f"the role {place.role}, which only SageMaker may assume, for this account"
    return [(name, lambda: _create(iam, place)), _policy_step(iam, place)]


def _policy_step(iam: Service, place: Place) -> Step:
    name = f"the policy {POLICY_NAME} of the role {place.role}: {place.bucket}, the images, logs and metrics"
    return name, lambda: _put_policy(iam, place)


def _own_policy(iam: Service, name: str) -> Any:
    try:
        return iam.call("GetRolePolicy", RoleName=name, PolicyName=POLICY_NAME)["PolicyDocument"]
    except AwsError as error:
        if error.code != _MISSING:
            raise
        return None


def _has_policies(iam: Service, name: str) -> bool:
    kinds = (("ListRolePolicies", "PolicyNames"), ("ListAttachedRolePolicies", "AttachedPolicies"))
    return any(any(True for _ in iam.pages(operation, member, RoleName=name)) for operation, member in kinds)


def _create(iam: Service, place: Place) -> None:
    iam.call(
        "CreateRole",
        RoleName=place.role,
        AssumeRolePolicyDocument=json.dumps(trust_policy(place.account)),
        Description="What Slipway's training jobs and endpoints may do",
    )


def _put_policy(iam: Service, place: Place) -> None:
    policy = json.dumps(execution_policy(place))
    iam.call("PutRolePolicy", RoleName=place.role, PolicyName=POLICY_NAME, PolicyDocument=policy)
