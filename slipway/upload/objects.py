"""Sends a file to S3, and checks whether an object has a file's content."""

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

from slipway.aws.connection import Service
from slipway.aws.refusals import AwsError
from slipway.aws.s3_address import S3Address
from slipway.errors import ServiceError, UploadError
from slipway.upload.content import PART_BYTES, checksum_of, parts_of
from slipway.upload.walk import LocalFile

Sent = Callable[[int], bool]
"""Called with the number of bytes sent; returns whether to continue."""


def require_bucket(s3: Service, place: S3Address, region: str) -> None:
    """Check that the bucket exists, may be listed, and is in the region of the jobs.

    Raises:
        UploadError: The bucket cannot be used.
        ServiceError: AWS refuses for another reason.
    """
    try:
        found = s3.call("HeadBucket", Bucket=place.bucket)
    except AwsError as error:
        if error.code in ("404", "NoSuchBucket"):
            raise UploadError(
                f"there is no bucket {place.bucket}; check its name, or make it: "
                f"aws s3 mb s3://{place.bucket} --region {region}"
            ) from error
        raise
    if (there := found.get("BucketRegion", region)) != region:
        raise UploadError(
            f"the bucket {place.bucket} is in {there}, not in {region}, and SageMaker reads from its own region only; "
            f"give --region {there}, or another bucket"
        )


def is_there(s3: Service, place: S3Address, file: LocalFile) -> bool:
    """Whether an object of the file's size also has the file's checksum.

    Raises:
        UploadError: The file cannot be read.
        ServiceError: AWS refuses.
    """
    found = s3.call("HeadObject", Bucket=place.bucket, Key=place.key, ChecksumMode="ENABLED")
    # S3 adds the number of parts to the checksum of their checksums.
    return str(found.get("ChecksumSHA256", "")).partition("-")[0] == checksum_of(file.path)


def send(s3: Service, place: S3Address, file: LocalFile, kms_key: str | None, sent: Sent) -> None:
    """Send a file; S3 verifies the checksum.

    Raises:
        UploadError: The file cannot be read or was changed meanwhile; no object is left behind.
        ServiceError: AWS refuses.
    """
    encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms_key} if kms_key else {}
    if file.size > PART_BYTES:
        _send_parts(s3, place, file, encryption, sent)
        return
    with parts_of(file.path) as parts:
        part = next(parts)
    s3.call(
        "PutObject",
        Bucket=place.bucket,
        Key=place.key,
        Body=part.content,
        ChecksumAlgorithm="SHA256",
        ChecksumSHA256=part.checksum,
        **encryption,
    )
    sent(len(part.content))


def _send_parts(s3: Service, place: S3Address, file: LocalFile, encryption: Mapping[str, str], sent: Sent) -> None:
    target = {"Bucket": place.bucket, "Key": place.key}
    begun = s3.call("CreateMultipartUpload", **target, ChecksumAlgorithm="SHA256", **encryption)["UploadId"]
    try:
        with parts_of(file.path) as parts:
            done: list[Mapping[str, Any]] = []
            for number, part in enumerate(parts, start=1):
                answer = s3.call(
                    "UploadPart",
                    **target,
                    UploadId=begun,
                    PartNumber=number,
                    Body=part.content,
                    ChecksumAlgorithm="SHA256",
                    ChecksumSHA256=part.checksum,
                )
                done.append({"PartNumber": number, "ETag": answer["ETag"], "ChecksumSHA256": part.checksum})
                if not sent(len(part.content)):
                    raise UploadError("was interrupted")
        s3.call("CompleteMultipartUpload", **target, UploadId=begun, MultipartUpload={"Parts": done})
    except BaseException:
        # Its parts would cost money without being seen. What went wrong first is what the user must know.
        with contextlib.suppress(ServiceError):
            s3.call("AbortMultipartUpload", **target, UploadId=begun)
        raise
