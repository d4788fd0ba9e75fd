"""Builds models from what the commands name: an address, a path, or a training job."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from slipway.aws.session import AwsSession
from slipway.errors import CredentialsError, UnreachableError
from slipway.hosting.model import Model
from slipway.hosting.multi_model import MultiModel
from slipway.requests.missing import REGION, Missing, Setting
from slipway.settings.pushed_images import find_image
from slipway.settings.slipway_toml import Settings

_BUCKET = Setting(
    what="bucket",
    placeholder="my-bucket",
    ways=("--bucket", "bucket=", "SLIPWAY_BUCKET", "bucket in slipway.toml"),
)


@dataclass(frozen=True)
class _JobModel(Setting):
    """The model of a training job that a dry run could not look up."""

    def __str__(self) -> str:
        return f"the {self.what} was not looked up, for lack of credentials or a region"


@dataclass(frozen=True, kw_only=True)
class NamedModels:
    """Builds models with the options of one command."""

    session: AwsSession
    missing: Missing
    """Collects what is missing; `require` is called before anything is sent."""
    dry_run: bool = False
    role: str | None = None
    image: str | None = None
    bucket: str | None = None
    """Bucket for outputs and for a model of this machine; None: Settings'."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Further arguments of `Model`."""

    def require(self, text: str) -> None:
        """Check that all settings for a model are named, before anything is looked up.

        Raises:
            SettingError: Names all that are missing.
        """
        self._given(role=not _is_job(text) or bool(self.role))

    def find(self, text: str) -> Model:
        """Build the model that is at an address, at a path of this machine, or a training job's.

        Raises:
            SettingError: Names all settings that are missing.
            UserError: There is no such model, or AWS refuses.
        """
        if text.startswith("s3://"):
            return Model(text, **self._given(role=True))
        if not _is_job(text):
            bucket = self.missing.fill(_BUCKET, self.bucket or Settings.read().bucket)
            return Model.from_directory(text, **{**self._given(role=True), "bucket": bucket})
        # The job's role is taken if none is named.
        given = self._given(role=bool(self.role))
        try:
            if REGION not in self.missing.settings:
                return Model.from_job(text, **given)
        except (CredentialsError, UnreachableError):
            if not self.dry_run:
                raise
        bucket = self.bucket or Settings.read().bucket or _BUCKET.placeholder
        address = f"s3://{bucket}/jobs/{text}/output/model.tar.gz"
        self.missing.fill(_JobModel(what=f"model of the job {text}", placeholder=address, ways=("",)), None)
        return Model(address, **self._given(role=True))

    def below(self, prefix: str) -> MultiModel:
        """Build the multi-model endpoint's model of all archives below an S3 address.

        Raises:
            SettingError: It is no such address, or settings are missing.
        """
        return MultiModel(prefix, **self._given(role=True))

    def _given(self, *, role: bool) -> dict[str, Any]:
        region = self.session.boto_region_name
        # A model that finds its image itself may take the one for CPUs.
        found = find_image("serve", self.image, region)
        image = self.image if found else self.missing.image("serve", self.image, region)
        given = {"image_uri": image, "role": self.missing.role(self.role) if role else None, "bucket": self.bucket}
        self.missing.require()
        named = {name: value for name, value in given.items() if value is not None}
        return {"sagemaker_session": self.session, **named, **self.arguments}


def _is_job(text: str) -> bool:
    # A job's name contains neither a slash nor a dot.
    return not (Path(text).exists() or "/" in text or "." in text)
