"""Reads a transform job's outputs: an object NAME.out for each picture, or the log line that says why there is none."""

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slipway.aws.cloud_logs import TRANSFORM_GROUP, LogFollower
from slipway.aws.refusals import explained
from slipway.aws.s3_address import S3Address
from slipway.batch_transform.predictions_file import Row
from slipway.errors import ServiceError

if TYPE_CHECKING:
    import boto3

_SUFFIX = ".out"
_WORKERS = 10
_MARK = "[sagemaker logs]: "
_UNKNOWN = "SageMaker wrote no output for it, and its log does not say why"


def count_outputs(s3: Any, output: str) -> int:
    """Count the pictures that have an answer."""
    return len(_outputs(s3, S3Address.parse(output)))


def _outputs(s3: Any, output: S3Address) -> set[str]:
    """List the names below the address, without the suffix."""
    prefix = f"{output.key.rstrip('/')}/" if output.key else ""
    with explained(f"looking for what is below {output}"):
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=output.bucket, Prefix=prefix)
        keys = [item["Key"].removeprefix(prefix) for page in pages for item in page.get("Contents", ())]
    return {key.removesuffix(_SUFFIX) for key in keys if key.endswith(_SUFFIX)}


def rows_in_s3(
    session: "boto3.Session", *, job: str, source: S3Address, output: S3Address, names: Sequence[str]
) -> Iterator[Row]:
    """Yield a row for each picture.

    Args:
        session: Credentials and region.
        job: Name of the transform job.
        source: Address of the pictures; ends with a slash.
        output: The job's S3OutputPath.
        names: Names of the pictures, relative to `source`.

    Raises:
        ServiceError: AWS refuses.
    """
    s3 = session.client("s3")
    there = _outputs(s3, output)
    # In an example of the API reference, outputs keep the input's whole key.
    outputs = {name: next((key for key in (name, source.key + name) if key in there), None) for name in names}
    reasons = {} if all(outputs.values()) else _reasons(session, job, source)

    def row(name: str) -> Row:
        found = outputs[name]
        if found is None:
            return Row(name, None, reasons.get(name, _UNKNOWN))
        place = output.below(found + _SUFFIX)
        with explained(f"reading {place}"):
            body = s3.get_object(Bucket=place.bucket, Key=place.key)["Body"].read()
        return _row(name, body)

    with ThreadPoolExecutor(_WORKERS) as pool:
        for start in range(0, len(names), 100 * _WORKERS):
            yield from pool.map(row, names[start : start + 100 * _WORKERS])


def rows_below(output: Path, names: Sequence[str], refused: Mapping[str, str]) -> Iterator[Row]:
    """Yield a row for each picture that was transformed in Docker on this machine.

    Args:
        output: The folder of the outputs.
        names: Names of the pictures.
        refused: Why a picture has no output.
    """
    for name in names:
        yield (
            Row(name, None, refused[name])
            if name in refused
            else _row(name, (output / f"{name}{_SUFFIX}").read_bytes())
        )


def _row(name: str, body: bytes) -> Row:
    text = body.decode("utf-8", "replace")
    if text.startswith('{"error"'):
        try:
            return Row(name, None, str(json.loads(text)["error"]["message"]))
        except (ValueError, KeyError, TypeError):
            pass
    return Row(name, text)


def _reasons(session: "boto3.Session", job: str, source: S3Address) -> Mapping[str, str]:
    """Collect the log's messages on single pictures: lines `… [sagemaker logs]: BUCKET/KEY: TEXT`."""
    try:
        lines = LogFollower(session, TRANSFORM_GROUP, job).new_lines()
    except ServiceError:
        # These credentials may not read the log, or there is none; the job's own error is reported all the same.
        return {}
    found: dict[str, str] = {}
    for line in lines:
        text = line.partition(_MARK)[2].strip()
        name, separator, reason = text.removeprefix(f"{source.bucket}/{source.key}").partition(": ")
        if text.startswith(f"{source.bucket}/{source.key}") and separator and reason.rstrip(":") != "Message":
            found[name] = f"{found[name]}; {reason}" if name in found else reason
    return found
