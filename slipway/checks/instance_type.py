"""Checks of instance types, by the names in SageMaker's API."""

import difflib
import functools
import re
from collections.abc import Collection
from typing import Literal

from slipway.aws.connection import service_model
from slipway.aws.session import LOCAL_INSTANCE_TYPES
from slipway.errors import SettingError

Use = Literal["training", "endpoint", "transform", "processing"]

_SHAPES = {"training": "TrainingInstanceType", "endpoint": "ProductionVariantInstanceType"}
_SHAPES |= {"transform": "TransformInstanceType", "processing": "ProcessingInstanceType"}
_EXAMPLES = {"training": "ml.g4dn.xlarge", "endpoint": "ml.g4dn.xlarge or ml.c7i.xlarge", "transform": "ml.c7i.xlarge"}
_EXAMPLES["processing"] = "ml.c7i.xlarge"

# NVIDIA GPUs: g4dn, g5, g6, g6e, p3, p4d, p5 and their successors. g5g is ARM; inf and trn are AWS's own chips.
_GPU = re.compile(r"ml\.(g\d+\w*|p\d+[\w-]*)\.")

_OWN_DISK = re.compile(r"ml\.(g[4-9]\w*|p3dn|p[4-9][\w-]*|trn\w+|[a-z]+\d+[a-z]*d[a-z]*)\.")


def check_instance_type(instance_type: str | None, use: Use) -> str:
    """Return the instance type if SageMaker has one of that name for this use.

    Raises:
        SettingError: None is named, or AWS's API knows no such type; the message has the nearest known one.
    """
    if not instance_type:
        raise SettingError(
            f"no instance type is named; give one such as {_EXAMPLES[use]}, or local for the SDK's local mode"
        )
    known = instance_types(use)
    if instance_type in known or instance_type in LOCAL_INSTANCE_TYPES:
        return instance_type
    if _may_be_newer(instance_type, {name.split(".")[1] for name in known}):
        return instance_type
    near = difflib.get_close_matches(instance_type, [*known, *LOCAL_INSTANCE_TYPES], n=3, cutoff=0.6)
    hint = f"did you mean {' or '.join(near)}?" if near else f"give one such as {_EXAMPLES[use]}"
    raise SettingError(f"there is no instance type {instance_type!r} for this use ({use}); {hint}")


def _may_be_newer(instance_type: str, families: Collection[str]) -> bool:
    """Whether the type's family is unknown to botocore and no typo of a known one, so that AWS must decide."""
    match = re.fullmatch(r"ml\.([a-z]+\d+[a-z0-9-]*)\.(\d*x?large|metal|medium)", instance_type)
    return match is not None and not difflib.get_close_matches(match[1], families, n=1, cutoff=0.87)


@functools.cache
def instance_types(use: Use) -> tuple[str, ...]:
    """The instance types that botocore's model of SageMaker lists for this use."""
    return tuple(service_model("sagemaker").shape_for(_SHAPES[use]).enum)


def has_own_disk(instance_type: str | None) -> bool:
    """Whether instances of this type have local storage, which cannot be encrypted with a user's key."""
    return instance_type is not None and bool(_OWN_DISK.match(instance_type))


def has_gpu(instance_type: str | None) -> bool:
    """Whether instances of this type have NVIDIA GPUs."""
    return instance_type is not None and bool(_GPU.match(instance_type)) and not instance_type.startswith("ml.g5g.")
