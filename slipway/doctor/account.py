"""Checks the credentials, the region, the bucket and the pushed images."""

from collections.abc import Iterator
from dataclasses import dataclass

from slipway.aws.connection import Aws
from slipway.aws.refusals import AwsError
from slipway.aws.s3_address import S3Address
from slipway.doctor.finding import Finding, Status
from slipway.errors import CredentialsError, DeniedError, SettingError, UnreachableError, UploadError
from slipway.settings.pushed_images import read_images
from slipway.upload.objects import require_bucket

_SIGN_IN = "aws configure, aws sso login, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
_ANY_REGION = "us-east-1"
"""Where to ask whose the credentials are if no region is named; every region gives the same answer."""


@dataclass(frozen=True, kw_only=True)
class Account:
    """The account that the credentials belong to."""

    aws: Aws
    number: str
    """Twelve digits."""


def find_account(region: str | None, profile: str | None, *, wanted: bool) -> tuple[list[Finding], Account | None]:
    """Ask AWS whose credentials these are.

    Args:
        region: Name of the region; None: as for `Aws`.
        profile: Name of the profile; None: as for `Aws`.
        wanted: Whether something is set up that needs them, so that it fails without them.

    Returns:
        What was found, and the account; None without credentials that work, or without a region.
    """
    lacking: Status = "failed" if wanted else "absent"
    try:
        aws, place = Aws(region, profile), None
    except SettingError as error:
        text, _, remedy = str(error).partition("; ")
        place = Finding(name="region", status=lacking, text=text, remedy=remedy)
        aws = Aws(_ANY_REGION, profile)
    except CredentialsError as error:
        return [_failed(error)], None
    known = place is None
    place = place or Finding(name="region", status="ok", text=aws.region)
    try:
        if not aws.has_credentials:
            text = "none found; what is in AWS is not checked, and nothing on this machine needs it"
            return [Finding(name="credentials", status=lacking, text=text, remedy=_SIGN_IN), place], None
        answer = aws.service("sts", quick=True).call("GetCallerIdentity")
    except (CredentialsError, DeniedError) as error:
        return [_failed(error), place], None
    except UnreachableError as error:
        text, _, remedy = str(error).partition("; ")
        return [Finding(name="credentials", status="unknown", text=text, remedy=remedy), place], None
    found = Finding(name="credentials", status="ok", text=f"account {answer['Account']}, {answer['Arn']}")
    return [found, place], Account(aws=aws, number=str(answer["Account"])) if known else None


def _failed(error: CredentialsError | DeniedError) -> Finding:
    text, _, remedy = str(error).partition("; ")
    return Finding(name="credentials", status="failed", text=text, remedy=remedy)


def check_bucket(account: Account, bucket: str | None) -> Iterator[Finding]:
    """Find whether the bucket exists, may be listed, and is in the region."""
    name = "bucket"
    if not bucket:
        text = "none is named; jobs then write to the bucket of their data"
        yield Finding(name=name, status="absent", text=text, remedy="slipway init makes one")
        return
    try:
        place = S3Address.parse(bucket if bucket.startswith("s3://") else f"s3://{bucket}")
        require_bucket(account.aws.service("s3", quick=True), place, account.aws.region)
    except DeniedError:
        text = f"{bucket} may not be listed: it is somebody else's, or s3:ListBucket on it is missing"
        yield Finding(name=name, status="failed", text=text, remedy="name another one, or see docs/iam.md")
    except (UploadError, SettingError) as error:
        text, _, remedy = str(error).partition("; ")
        yield Finding(name=name, status="failed", text=text, remedy=remedy)
    else:
        yield Finding(name=name, status="ok", text=f"{place.bucket}, in {account.aws.region}")


def check_pushed(account: Account) -> Iterator[Finding]:
    """Find the images that push.sh pushed to this region, and whether ECR still has them."""
    region = account.aws.region
    images = [image for image in read_images() if image.region == region]
    push = f"./build.sh && ./push.sh --region {region}"
    if not images:
        text = f"none pushed to {region} from this machine"
        yield Finding(name="images in ECR", status="absent", text=text, remedy=push)
    ecr = account.aws.service("ecr", quick=True)
    for image in images:
        name = f"{image.target} in ECR"
        try:
            ecr.call(
                "DescribeImages",
                registryId=image.account,
                repositoryName=image.repository,
                imageIds=[{"imageDigest": image.digest_uri.rpartition("@")[2]}],
            )
        except DeniedError as error:
            yield Finding(name=name, status="unknown", text=f"{image.uri}: {error}", remedy="see docs/iam.md")
        except AwsError as error:
            if error.code not in ("ImageNotFoundException", "RepositoryNotFoundException"):
                raise
            text = f"{image.uri} was pushed and is no longer there"
            yield Finding(name=name, status="failed", text=text, remedy=f"./build.sh {image.target} && {push}")
        else:
            yield Finding(name=name, status="ok", text=f"{image.uri}, pushed {image.pushed[:10]}")
