"""Creates the bucket for data and outputs: private, encrypted, in the region of the jobs."""

from slipway.aws.connection import Service
from slipway.aws.policies import Place
from slipway.aws.refusals import AwsError
from slipway.errors import DeniedError, SettingError
from slipway.init.step import Steps

# Where S3's API takes no location.
_DEFAULT_REGION = "us-east-1"
_TAKEN = ("BucketAlreadyExists", "OperationAborted")


def plan_bucket(s3: Service, place: Place) -> tuple[list[str], Steps]:
    """Look for the bucket.

    Returns:
        A sentence about it if it is there and of this account, and the steps that create it if not.

    Raises:
        SettingError: It is somebody else's, or in another region.
        ServiceError: AWS refuses.
    """
    try:
        found = s3.call("HeadBucket", Bucket=place.bucket, ExpectedBucketOwner=place.account)
    except DeniedError as error:
        raise _taken(place) from error
    except AwsError as error:
        if error.code in ("404", "NoSuchBucket"):
            return [], bucket_steps(s3, place)
        raise
    if (there := found.get("BucketRegion", place.region)) != place.region:
        raise SettingError(
            f"the bucket {place.bucket} is in {there}, not in {place.region}, and SageMaker reads from its own region "
            f"only; give --region {there}, or another --bucket"
        )
    return [f"the bucket {place.bucket} is there, and is used as it is"], []


def bucket_steps(s3: Service, place: Place) -> Steps:
    """Build the step that creates the bucket."""
    return [(f"the bucket {place.bucket}, private and encrypted", lambda: _create(s3, place))]


def _create(s3: Service, place: Place) -> None:
    where = {"LocationConstraint": place.region} if place.region != _DEFAULT_REGION else None
    try:
        s3.call("CreateBucket", Bucket=place.bucket, CreateBucketConfiguration=where)
    except AwsError as error:
        if error.code in _TAKEN:
            raise _taken(place) from error
        raise
    # S3 does both by itself since 2023; after an interruption here the bucket is private and encrypted, too.
    s3.call(
        "PutPublicAccessBlock",
        Bucket=place.bucket,
        PublicAccessBlockConfiguration={
            "BlockPublicAcls": True,
            "IgnorePublicAcls": True,
            "BlockPublicPolicy": True,
            "RestrictPublicBuckets": True,
        },
    )
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    s3.call("PutBucketEncryption", Bucket=place.bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})


def _taken(place: Place) -> SettingError:
    return SettingError(
        f"the bucket {place.bucket} is not one that the account {place.account} may use: names are shared by all of "
        "AWS's customers, and somebody else has this one, or s3:ListBucket on it is missing; give another --bucket"
    )
