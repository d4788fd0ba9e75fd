"""The repository in ECR that holds both images, so that the layers they share are stored and pushed once."""

import fnmatch
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from slipway.aws.connection import Service
from slipway.aws.refusals import AwsError
from slipway.errors import DeniedError

# Tags that must be movable: those of the last push, and those of uncommitted revisions.
# ECR takes five at most.
MOVING_TAGS = ("train", "serve", "serve-cpu", "*-cuda12", "*-dirty")

UNTAGGED_DAYS = 30
LIFECYCLE = {
    "rules": [
        {
            "rulePriority": 1,
            "description": f"images that no tag stands for, after {UNTAGGED_DAYS} days",
            "selection": {
                "tagStatus": "untagged",
                "countType": "sinceImagePushed",
                "countUnit": "days",
                "countNumber": UNTAGGED_DAYS,
            },
            "action": {"type": "expire"},
        }
    ]
}

_STATEMENT = "SlipwayPull"
_PULL_ACTIONS = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]


@dataclass(frozen=True)
class Repository:
    """A repository's description from ECR."""

    uri: str
    """Registry host and name."""
    account: str
    mutability: str
    """Tag mutability: MUTABLE, IMMUTABLE, or one of them WITH_EXCLUSION of `exceptions`."""
    exceptions: tuple[str, ...]
    scans: bool

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> "Repository":
        """Parse a repository in ECR's answer."""
        filters = answer.get("imageTagMutabilityExclusionFilters", ())
        return cls(
            uri=answer["repositoryUri"],
            account=answer["registryId"],
            mutability=answer.get("imageTagMutability", "MUTABLE"),
            exceptions=tuple(entry["filter"] for entry in filters),
            scans=bool(answer.get("imageScanningConfiguration", {}).get("scanOnPush")),
        )

    def can_move(self, tag: str) -> bool:
        """Whether an existing tag may be moved to another image."""
        excepted = any(fnmatch.fnmatchcase(tag, pattern) for pattern in self.exceptions)
        return excepted != self.mutability.startswith("MUTABLE")

    @property
    def differences(self) -> list[str]:
        """Describe how an existing repository differs from one that push.sh creates."""
        found = []
        if not self.scans:
            found.append("it does not scan images on push")
        if self.can_move("train-0123456789ab"):
            found.append("tags of revisions can be moved by others")
        if not all(map(self.can_move, ("train", "serve"))):
            found.append("its tags cannot be moved, so that train and serve stay where they are")
        return found


def find_repository(ecr: Service, name: str, account: str | None) -> Repository | None:
    """Look up the repository; None if there is none."""
    try:
        answer = ecr.call("DescribeRepositories", repositoryNames=[name], registryId=account)
    except AwsError as error:
        if error.code == "RepositoryNotFoundException":
            return None
        raise
    return Repository.of(answer["repositories"][0])


def create_repository(ecr: Service, name: str, account: str | None) -> Repository:
    """Create the repository: scan on push, immutable revision tags, untagged images expire."""
    settings = {
        "repositoryName": name,
        "registryId": account,
        "imageScanningConfiguration": {"scanOnPush": True},
    }
    filters = [{"filterType": "WILDCARD", "filter": tag} for tag in MOVING_TAGS]
    try:
        answer = ecr.call(
            "CreateRepository",
            imageTagMutability="IMMUTABLE_WITH_EXCLUSION",
            imageTagMutabilityExclusionFilters=filters,
            **settings,
        )
    except AwsError as error:
        # An endpoint of ECR that does not support exclusions yet.
        if error.code not in ("InvalidParameterException", "ValidationException", "SerializationException"):
            raise
        answer = ecr.call("CreateRepository", imageTagMutability="MUTABLE", **settings)
    _put_lifecycle(ecr, name, account)
    return Repository.of(answer["repository"])


def finish_repository(ecr: Service, name: str, account: str | None) -> bool:
    """Add the lifecycle rule to a repository that an interrupted run created: one without rules and images.

    Returns:
        Whether the rule was added.
    """
    try:
        ecr.call("GetLifecyclePolicy", repositoryName=name, registryId=account)
        return False
    except DeniedError:
        return False  # these rights are not needed to push to a repository of somebody else's making
    except AwsError as error:
        if error.code != "LifecyclePolicyNotFoundException":
            raise
    try:
        images = ecr.call("ListImages", repositoryName=name, registryId=account, maxResults=1)["imageIds"]
    except DeniedError:
        return False
    if images:
        return False
    _put_lifecycle(ecr, name, account)
    return True


def _put_lifecycle(ecr: Service, name: str, account: str | None) -> None:
    ecr.call("PutLifecyclePolicy", repositoryName=name, registryId=account, lifecyclePolicyText=json.dumps(LIFECYCLE))


def allow_pull(ecr: Service, name: str, account: str | None, partition: str, allowed: Sequence[str]) -> bool:
    """Allow other accounts to pull, which SageMaker needs for jobs with a role of another account.

    Existing permissions and statements are kept.

    Returns:
        Whether the policy had to be changed.
    """
    try:
        text = ecr.call("GetRepositoryPolicy", repositoryName=name, registryId=account)["policyText"]
    except AwsError as error:
        if error.code != "RepositoryPolicyNotFoundException":
            raise
        text = "{}"
    before = json.loads(text)
    after = with_pull(before, [f"arn:{partition}:iam::{number}:root" for number in allowed])
    if after == before:
        return False
    ecr.call("SetRepositoryPolicy", repositoryName=name, registryId=account, policyText=json.dumps(after))
    return True


def with_pull(policy: Mapping[str, Any], principals: Sequence[str]) -> dict[str, Any]:
    """Extend a policy so that these principals may pull."""
    statements = _as_list(policy.get("Statement", []))
    ours: Mapping[str, Any] = next((statement for statement in statements if statement.get("Sid") == _STATEMENT), {})
    known = _as_list(ours.get("Principal", {}).get("AWS", []))
    if set(known) >= set(principals):
        return dict(policy)
    statement = {
        "Sid": _STATEMENT,
        "Effect": "Allow",
        "Principal": {"AWS": sorted({*known, *principals})},
        "Action": _PULL_ACTIONS,
    }
    others = [statement for statement in statements if statement.get("Sid") != _STATEMENT]
    return {"Version": "2012-10-17", **policy, "Statement": [*others, statement]}


def _as_list(value: Any) -> list[Any]:
    """Return a policy's value as a list; a single item may stand without brackets."""
    return value if isinstance(value, list) else [value]
