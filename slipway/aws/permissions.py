"""The permissions that pushing needs, and the error for denied calls. docs/iam.md has the full policy."""

import re

from slipway.errors import DeniedError

# TOKEN_ACTION is needed on every resource, the others on the repository; `docker push` calls some through the registry.
TOKEN_ACTION = "ecr:GetAuthorizationToken"  # noqa: S105 (the name of an action)
REPOSITORY_ACTIONS = (
    "ecr:DescribeRepositories",
    "ecr:CreateRepository",
    "ecr:GetLifecyclePolicy",
    "ecr:PutLifecyclePolicy",
    "ecr:ListImages",
    "ecr:BatchCheckLayerAvailability",
    "ecr:InitiateLayerUpload",
    "ecr:UploadLayerPart",
    "ecr:CompleteLayerUpload",
    "ecr:PutImage",
    "ecr:BatchGetImage",
    "ecr:GetDownloadUrlForLayer",
)
POLICY_ACTIONS = ("ecr:GetRepositoryPolicy", "ecr:SetRepositoryPolicy")
"""Additional permissions for `--allow-account`."""


# As AWS words it in answers, and in the reasons of failed jobs.
_LACKING = re.compile(
    r"(?:User|Role)?:? ?(\S*) is not authorized to perform:? ([\w-]+:\w+)(?:.*?on resource:? (\S+))?", re.S
)


def missing_permission(message: str) -> str:
    """Say which permission is missing, whose, and on what, as a message of AWS's tells it; empty if it does not."""
    found = _LACKING.search(message)
    if not found:
        return ""
    who, action, resource = found.groups()
    place = f" on {resource.strip('.,;')}" if resource else ""
    return f"{who or 'the role'} lacks {action}{place}; docs/iam.md has the policy that Slipway needs"


def denied(action: str, message: str) -> DeniedError:
    """Build the error for an action that the credentials do not allow, with the permissions that it needs."""
    if not action.startswith(("ecr:", "pushing")):
        if missing := missing_permission(message):
            return DeniedError(f"{action} is not allowed: {missing}. AWS says: {message}")
        return DeniedError(
            f"{action} is not allowed to these credentials ({message}); docs/iam.md has the policy that Slipway needs"
        )
    needed = ", ".join((*REPOSITORY_ACTIONS, *(POLICY_ACTIONS if action in POLICY_ACTIONS else ())))
    return DeniedError(
        f"{action} is not allowed to these credentials ({message}); pushing needs {TOKEN_ACTION} on *, and on the "
        f"repository {needed}"
    )
