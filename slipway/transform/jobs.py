"""Builds a Transformer from the command's options: finds the model, uploads it if needed, and creates it."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sagemaker.session import Session
from sagemaker.utils import name_from_base

from slipway.aws.connection import Service
from slipway.aws.dry_run import DryRun
from slipway.aws.refusals import AwsError
from slipway.aws.session import is_local, session_for
from slipway.checks.instance_type import check_instance_type
from slipway.checks.s3_address import S3Address
from slipway.deploy.model import Model
from slipway.errors import SettingError
from slipway.settings import Settings
from slipway.transform.pictures import list_pictures
from slipway.transform.predictions_file import Format
from slipway.transform.transformer import Transformer

_MISSING = ("ValidationException", "ResourceNotFound")


def dry_run() -> DryRun:
    """Build a dry run that assumes a picture in S3; a named training job is looked up all the same."""
    picture = {"Key": "picture.jpg", "Size": 1}
    return DryRun(passing=("DescribeTrainingJob",), answers={"ListObjectsV2": {"Contents": [picture]}})


@dataclass(frozen=True, kw_only=True)
class PlannedJob:
    """The options of `slipway transform` for SageMaker."""

    pictures: str
    """s3://BUCKET/PREFIX; in local mode a folder."""
    model: str
    """s3://…/model.tar.gz, a path of this machine, or the name of a training job or of a model."""
    instance_type: str
    instance_count: int = 1
    output: str | None = None
    form: Format = "jsonl"
    bucket: str | None = None
    """Bucket to upload a local model to; None: the pictures'."""
    image: str | None = None
    role: str | None = None
    region: str | None = None
    profile: str | None = None

    @contextmanager
    def transformer(self, dry_run: DryRun | None = None) -> Iterator[Transformer]:
        """Build a Transformer; in local mode, its outputs exist only while the body runs.

        Raises:
            SettingError: The instance type cannot use pictures from there, or an argument is wrong.
            UserError: There is no such model, or AWS refuses.
        """
        check_instance_type(self.instance_type, "transform")
        if is_local(self.instance_type) == self.pictures.startswith("s3://"):
            raise SettingError(
                f"instance type {self.instance_type} is for pictures "
                f"{'in a folder of this machine' if is_local(self.instance_type) else 'in S3'}, and {self.pictures} "
                "are none; slipway data upload uploads a folder"
            )
        session = session_for(self.instance_type, region=self.region, profile=self.profile, dry_run=dry_run)
        given: dict[str, Any] = {"form": self.form, "instance_count": self.instance_count}
        if not is_local(self.instance_type):
            if dry_run is None:  # before a model is made for pictures that are not there
                place = S3Address.parse(self.pictures.rstrip("/") + "/")
                list_pictures(Service("s3", session.boto_session.client("s3")), place)
            yield self._on(session, {**given, "output_path": self.output})
            return
        with tempfile.TemporaryDirectory(prefix="slipway-transform-", ignore_cleanup_errors=True) as scratch:
            yield self._on(session, {**given, "output_path": f"file://{scratch}"})

    def _on(self, session: Session, given: dict[str, Any]) -> Transformer:
        arguments: dict[str, Any] = {"image_uri": self.image, "role": self.role, "sagemaker_session": session}
        arguments["name"] = name_from_base("slipway-transform")
        if self.model.startswith("s3://"):
            model = Model(self.model, **arguments)
        elif Path(self.model).exists():
            bucket = self.bucket or Settings.read().bucket
            if not bucket and self.pictures.startswith("s3://"):
                bucket = S3Address.parse(self.pictures).bucket
            model = Model.from_directory(self.model, bucket=bucket, **arguments)
        elif session.local_mode:
            raise SettingError(f"there is no {self.model}; in local mode the model is one of this machine or in S3")
        else:
            try:
                model = Model.from_job(self.model, **arguments)
            except AwsError as error:
                if error.code not in _MISSING:
                    raise
                return Transformer(self.model, instance_type=self.instance_type, sagemaker_session=session, **given)
        return Transformer.from_model(model, self.instance_type, **given)
