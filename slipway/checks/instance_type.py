"""Instance types, as SageMaker's API names them."""

import difflib
import functools
import re
from typing import Literal

from slipway.aws.session import LOCAL_INSTANCE_TYPES
from slipway.errors import SettingError

Use = Literal["training", "endpoint", "transform"]

_SHAPES = {"training": "TrainingInstanceType", "endpoint": "ProductionVariantInstanceType"}
_SHAPES["transform"] = "TransformInstanceType"
_EXAMPLES = {"training": "ml.g4dn.xlarge", "endpoint": "ml.g4dn.xlarge or ml.c7i.xlarge", "transform": "ml.c7i.xlarge"}

# NVIDIA's: g4dn, g5, g6, g6e, p3, p4d, p5, and what follows them. g5g is ARM, inf and trn are AWS's own.
_GPU = re.compile(r"ml\.(g\d+\w*|p\d+\w*)\.")


def check_instance_type(instance_type: str | None, use: Use) -> str:
    """The instance type, if there is one of that name for this use.

    Raises:
        SettingError: None is named, or AWS's API knows no such type; the nearest known one is given.
    """
    if not instance_type:
        raise SettingError(
            f"no instance type is named; give one such as {_EXAMPLES[use]}, or local for the SDK's local mode"
        )
    known = instance_types(use)
    if instance_type in known or instance_type in LOCAL_INSTANCE_TYPES:
        return instance_type
    near = difflib.get_close_matches(instance_type, [*known, *LOCAL_INSTANCE_TYPES], n=3, cutoff=0.6)
    # A type that is newer than botocore is AWS's to judge.
    if re.fullmatch(r"ml\.[a-z]+\d+[a-z0-9-]*\.(\d*x?large|metal|medium)", instance_type) and not near:
        return instance_type
    hint = f"did you mean {' or '.join(near)}?" if near else f"give one such as {_EXAMPLES[use]}"
    raise SettingError(f"there is no instance type {instance_type!r} for this use ({use}); {hint}")


@functools.cache
def instance_types(use: Use) -> tuple[str, ...]:
    """All that botocore's model of SageMaker names for this use."""
    from botocore.session import Session

    model = Session().get_service_model("sagemaker")
    return tuple(model.shape_for(_SHAPES[use]).enum)


def has_gpu(instance_type: str | None) -> bool:
    """Whether instances of this type have NVIDIA GPUs."""
    return instance_type is not None and bool(_GPU.match(instance_type)) and not instance_type.startswith("ml.g5g.")
