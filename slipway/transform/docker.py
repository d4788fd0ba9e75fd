"""`slipway transform --instance-type local`: predicts pictures in the image, in Docker on this machine."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from slipway.batch_transform.predictions_file import ACCEPT, Format, Row
from slipway.errors import SettingError
from slipway.options.local_mode import NOT_LOCALLY, aws_of, named_now, refuse_given, serving_definition
from slipway.terminal.console import progress_bar, say

_NOT_FOR_TRANSFORM = (*NOT_LOCALLY, "instance_count", "output", "name", "network_isolation")


@contextmanager
def predicted_in_docker(
    pictures: str,
    model: str,
    instance_type: str,
    *,
    form: Format,
    labels: Path | None,
    image: str | None,
    region: str | None,
    profile: str | None,
) -> Iterator[tuple[Iterator[Row], Mapping[str, str]]]:
    """Run a transform job, and yield a row for each picture, with the labels of its manifest.

    Args:
        pictures: A folder.
        model: A model of this machine, or in S3.
        instance_type, form, labels, image, region, profile: The command's options.

    Raises:
        UserError: As `slipway.local.transform`, or there are no pictures.
    """
    from slipway.batch_transform.labels import local_pictures
    from slipway.batch_transform.outputs import rows_below
    from slipway.batch_transform.pictures import Picture, load_for
    from slipway.inference.invocations import ANY_PICTURE
    from slipway.local import transform

    refuse_given(_NOT_FOR_TRANSFORM, "is one container that writes the predictions' file")
    if pictures.startswith("s3://"):
        raise SettingError(
            f"instance type {instance_type} is for pictures in a folder of this machine, not for {pictures}"
        )
    if not model.startswith("s3://") and not Path(model).exists():
        raise SettingError(f"there is no {model}; in local mode the model is one of this machine or in S3")
    found = local_pictures(Path(pictures), labels)
    load = load_for([Picture(file.name, file.stat().st_size) for file in found.files])
    name = named_now("slipway-transform")
    say(f"Predicting the pictures below {pictures} in Docker")
    with tempfile.TemporaryDirectory(prefix="slipway-transform-") as scratch, progress_bar("predicting") as advance:
        request = {
            "TransformJobName": name,
            "ModelName": name,
            "BatchStrategy": "SingleRecord",
            "MaxPayloadInMB": load.max_payload_mb,
            "MaxConcurrentTransforms": load.max_concurrent,
            "TransformInput": {
                "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"file://{found.folder}"}},
                "ContentType": ANY_PICTURE,
            },
            "TransformOutput": {"S3OutputPath": f"file://{scratch}", "Accept": ACCEPT[form]},
            "TransformResources": {"InstanceType": instance_type, "InstanceCount": 1},
        }
        refused = transform(
            request,
            serving_definition(name, model, image),
            names=found.names,
            answered=lambda done: advance(done, len(found.names)),
            aws=aws_of(region, profile, model),
        )
        yield rows_below(Path(scratch), found.names, refused), found.labels
