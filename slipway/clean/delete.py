"""Deletes resources one after another; one that cannot be deleted does not stop the others."""

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice

from slipway.aws.connection import Aws, Service
from slipway.clean.resource import Resource
from slipway.errors import CleaningError, ServiceError

_KEYS_AT_A_TIME = 1000
"""S3's own limit."""

_CALLS = {
    "scaling target": ("application-autoscaling", "DeregisterScalableTarget"),
    "endpoint": ("sagemaker", "DeleteEndpoint"),
    "endpoint configuration": ("sagemaker", "DeleteEndpointConfig"),
    "model": ("sagemaker", "DeleteModel"),
    "log group": ("logs", "DeleteLogGroup"),
    "log stream": ("logs", "DeleteLogStream"),
}


@dataclass(frozen=True)
class Remains:
    """A resource that was not deleted."""

    resource: Resource
    reason: str


def delete(aws: Aws, resources: Iterable[Resource], done: Callable[[Resource], None]) -> list[Remains]:
    """Delete resources in the given order; return those that remain.

    Args:
        aws: Credentials and region.
        resources: From `find`.
        done: Called with each deleted resource.
    """
    remains: list[Remains] = []
    service = functools.cache(aws.service)
    for resource in resources:
        still_there = {left.resource.name for left in remains if left.resource.kind == "endpoint"}
        if resource.used_by in still_there:
            remains.append(Remains(resource, f"kept, since the endpoint {resource.used_by} is still there"))
            continue
        try:
            _delete(service, resource)
        except (ServiceError, CleaningError) as error:
            remains.append(Remains(resource, str(error)))
        else:
            done(resource)
    return remains


def _delete(service: Callable[[str], Service], resource: Resource) -> None:
    if resource.kind == "output":
        _delete_objects(service("s3"), resource.parameters["Bucket"], resource.parameters["Prefix"])
    elif resource.kind == "running job":
        parameters = dict(resource.parameters)
        service("sagemaker").call(f"Stop{parameters.pop('stem')}", **parameters)
    else:
        name, operation = _CALLS[resource.kind]
        service(name).call(operation, **resource.parameters)


def _delete_objects(s3: Service, bucket: str, prefix: str) -> None:
    listing = s3.pages("ListObjectsV2", "Contents", Bucket=bucket, Prefix=prefix)
    while keys := [{"Key": item["Key"]} for item in islice(listing, _KEYS_AT_A_TIME)]:
        answer = s3.call("DeleteObjects", Bucket=bucket, Delete={"Objects": keys, "Quiet": True})
        if errors := answer.get("Errors"):
            raise CleaningError(f"{len(errors)} objects were not deleted; {errors[0]['Key']}: {errors[0]['Message']}")
