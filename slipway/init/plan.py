"""What is to be created, given what is there."""

from dataclasses import dataclass, field

from slipway.aws.connection import Aws
from slipway.aws.policies import Place
from slipway.aws.s3_address import S3Address
from slipway.init.bucket import bucket_steps, plan_bucket
from slipway.init.role import check_role_name, plan_role, role_steps
from slipway.init.step import Steps


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What the user wants; None for the defaults."""

    bucket: str | None = None
    role_name: str = "slipway-execution"
    repository: str = "slipway"


@dataclass
class Plan:
    """Steps that create what is missing, and what is there already."""

    place: Place
    kept: list[str] = field(default_factory=list)
    """What is there and is used as it is, in a sentence each."""
    steps: Steps = field(default_factory=list)
    """What creates the missing, in order."""


def make_plan(aws: Aws, wanted: Wanted, account: str | None = None) -> Plan:
    """Look at what is there; change nothing.

    Args:
        aws: Credentials and region.
        wanted: Names of what to create.
        account: Plan for this account as if nothing were there; None: the account of the credentials, and look.

    Raises:
        SettingError: A name is invalid, or the bucket or the role cannot be used.
        ServiceError: AWS refuses.
    """
    look = account is None
    account = account or str(aws.service("sts").call("GetCallerIdentity")["Account"])
    bucket = wanted.bucket or f"slipway-{account}-{aws.region}"
    place = Place(
        account=account,
        region=aws.region,
        bucket=S3Address.parse(bucket if bucket.startswith("s3://") else f"s3://{bucket}").bucket,
        repository=wanted.repository,
        role=check_role_name(wanted.role_name),
        partition=aws.partition,
    )
    s3, iam = aws.service("s3"), aws.service("iam")
    if not look:
        return Plan(place, steps=[*bucket_steps(s3, place), *role_steps(iam, place)])
    kept, steps = plan_bucket(s3, place)
    kept_role, more = plan_role(iam, place)
    return Plan(place, kept=[*kept, *kept_role], steps=[*steps, *more])
