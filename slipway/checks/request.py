"""Checks of the role and the image of a job or an endpoint."""

import re
from typing import TYPE_CHECKING

from slipway.aws.refusals import AwsError, explained
from slipway.aws.session import answered_here
from slipway.errors import DeniedError, SettingError

if TYPE_CHECKING:
    from slipway.aws.session import AnySession

_ROLE = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/.+")
_ECR = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr[a-z-]*\.(?P<region>[a-z0-9-]+)\.[a-z0-9.-]+/"
    r"(?P<repository>[^:@]+)(?::(?P<tag>[^@]+))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
_MISSING = ("ImageNotFoundException", "RepositoryNotFoundException")


def check_role(role: str | None) -> str:
    """Return the role if it is the ARN of one.

    Raises:
        SettingError: No role is given, or it is not the ARN of a role.
    """
    if not role:
        raise SettingError(
            "no execution role is named; give role=, --role, SLIPWAY_ROLE or role in slipway.toml. docs/iam.md says "
            "how to make one"
        )
    if not _ROLE.fullmatch(role):
        raise SettingError(
            f"the execution role is {role!r}; it must be the ARN of a role, such as "
            "arn:aws:iam::111122223333:role/slipway-execution"
        )
    return role


def check_image(session: "AnySession", image_uri: str) -> None:
    """Check that an image exists in ECR, as far as these credentials may look.

    Raises:
        SettingError: The image does not exist, or is in another region than the job.
        ServiceError: The call to AWS failed.
    """
    match = _ECR.fullmatch(image_uri)
    if not match:
        return
    region = session.boto_region_name
    if match["region"] != region:
        raise SettingError(
            f"the image {image_uri} is in {match['region']}, and the job would run in {region}; SageMaker pulls from "
            f"its own region only: ./push.sh --region {region}, or give --region {match['region']}"
        )
    if answered_here(session, "DescribeImages"):
        return
    wanted = {"imageDigest": match["digest"]} if match["digest"] else {"imageTag": match["tag"] or "latest"}
    try:
        with explained("ecr:DescribeImages"):
            session.boto_session.client("ecr").describe_images(
                registryId=match["account"], repositoryName=match["repository"], imageIds=[wanted]
            )
    except DeniedError:
        # Running jobs does not require access to the registry; SageMaker reports a missing image itself.
        return
    except AwsError as error:
        if error.code not in _MISSING:
            raise
        raise SettingError(
            f"there is no image {image_uri} in ECR; push one with ./build.sh && ./push.sh, or name another "
            "(slipway images shows what was pushed)"
        ) from error
