"""The least that pushing needs, and the error for what the credentials may not do. docs/iam.md has the whole policy."""

from slipway.errors import DeniedError

# The first on every resource, the others on the repository. Some are called by `docker push` through the registry.
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
"""Beside them, for `--allow-account`."""


def denied(action: str, message: str) -> DeniedError:
    """The error for what these credentials may not do, with what is needed."""
    if not action.startswith(("ecr:", "pushing")):
        return DeniedError(
            f"{action} is not allowed to these credentials ({message}); docs/iam.md has the policy that Slipway needs"
        )
    needed = ", ".join((*REPOSITORY_ACTIONS, *(POLICY_ACTIONS if action in POLICY_ACTIONS else ())))
    return DeniedError(
        f"{action} is not allowed to these credentials ({message}); pushing needs {TOKEN_ACTION} on *, and on the "
        f"repository {needed}"
    )
