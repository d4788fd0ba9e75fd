"""Builds a Transformer from the command's options: finds the model, uploads it if needed, and creates it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from slipway.aws.connection import Service
from slipway.aws.dry_run import DryRun
from slipway.aws.refusals import AwsError
from slipway.aws.s3_address import S3Address
from slipway.aws.tags import Tags
from slipway.batch_transform.pictures import list_pictures
from slipway.batch_transform.predictions_file import Format
from slipway.batch_transform.transformer import Transformer
from slipway.checks.instance_type import check_instance_type
from slipway.errors import SettingError
from slipway.hosting.named_model import NamedModels
from slipway.requests.missing import Missing
from slipway.requests.names import new_name
from slipway.settings.slipway_toml import Settings

_MISSING = ("ValidationException", "ResourceNotFound")


def dry_run() -> DryRun:
    """Build a dry run, for which a named training job is looked up all the same."""
    return DryRun(passing=("DescribeTrainingJob",))


@dataclass(frozen=True, kw_only=True)
class PlannedJob:
    """The options of `slipway transform` for SageMaker."""

    pictures: str
    """s3://BUCKET/PREFIX."""
    model: str
    """s3://…/model.tar.gz, a path of this machine, or the name of a training job or of a model."""
    instance_type: str
    instance_count: int = 1
    output: str | None = None
    form: Format = "jsonl"
    bucket: str | None = None
    """Bucket to upload a local model to; None: the pictures'."""
    of_the_model: Mapping[str, Any] = field(default_factory=dict)
    """Further arguments of `Model`, such as vpc_config."""
    output_key: str | None = None
    """KMS key for the outputs."""
    volume_key: str | None = None
    """KMS key for the instances' volumes."""
    tags: Tags = None
    image: str | None = None
    role: str | None = None
    region: str | None = None
    profile: str | None = None

    def transformer(self, missing: Missing, dry_run: DryRun | None = None) -> Transformer:
        """Build a Transformer; a named model is created for it.

        Args:
            missing: Collects the settings that are missing.
            dry_run: Records the requests, which are not sent then.

        Raises:
            SettingError: The instance type cannot use pictures from there, or an argument is wrong or missing.
            UserError: There is no such model, or AWS refuses.
        """
        check_instance_type(self.instance_type, "transform")
        if not self.pictures.startswith("s3://"):
            raise SettingError(
                f"instance type {self.instance_type} is for pictures in S3, and {self.pictures} are none; slipway data "
                "upload uploads a folder"
            )
        given: dict[str, Any] = {
            "form": self.form,
            "instance_count": self.instance_count,
            "instance_type": self.instance_type,
            "output_path": self.output,
            "output_kms_key": self.output_key,
            "volume_kms_key": self.volume_key,
            "tags": self.tags,
        }
        session = missing.session(self.region, self.profile, dry_run)
        place = S3Address.parse(self.pictures.rstrip("/") + "/")
        models = NamedModels(
            session=session,
            missing=missing,
            dry_run=dry_run is not None,
            role=self.role,
            image=self.image,
            bucket=self.bucket or Settings.read().bucket or place.bucket,
            arguments={"name": new_name("slipway-transform"), **self.of_the_model},
        )
        if dry_run is None:  # before a model is made for pictures that are not there
            models.require(self.model)
            list_pictures(Service("s3", session.boto_session.client("s3")), place)
        try:
            model = models.find(self.model)
        except AwsError as error:
            if error.code not in _MISSING:
                raise
            return Transformer(self.model, sagemaker_session=session, **given)
        return Transformer.from_model(model, **given)
