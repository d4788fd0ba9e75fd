"""Multi-model endpoints: any number of models below one S3 prefix behind the same instances, loaded on demand."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from slipway.aws.refusals import explained
from slipway.aws.s3_address import S3Address
from slipway.aws.session import AnySession
from slipway.checks.instance_type import has_gpu
from slipway.errors import ArchiveError, SettingError
from slipway.hosting.model import Model
from slipway.hosting.predictor import Predictor

_ARCHIVE = ".tar.gz"


class MultiModel(Model):
    """The models of a multi-model endpoint; a request names one of them: predict(…, target_model="a.tar.gz").

    Args:
        model_data_prefix: S3 address below which the archives are.
        role: As for `Model`.
        image_uri: As for `Model`.
        sagemaker_session: As for `Model`.
        arguments: Further arguments of `Model`.

    Raises:
        SettingError: The prefix is no S3 address, or the session is local mode's, which has no such endpoints.
    """

    def __init__(
        self,
        model_data_prefix: str,
        role: str | None = None,
        image_uri: str | None = None,
        *,
        sagemaker_session: AnySession | None = None,
        **arguments: Any,
    ) -> None:
        self.prefix = S3Address.parse(model_data_prefix)
        if sagemaker_session is not None and sagemaker_session.local_mode:
            raise SettingError("local mode has no multi-model endpoints; docs/serving.md says how to try one in Docker")
        super().__init__(
            f"{str(self.prefix).rstrip('/')}/", role, image_uri, sagemaker_session=sagemaker_session, **arguments
        )

    def deploy(self, *arguments: Any, **named: Any) -> Predictor:
        """Create or update an endpoint, with the arguments of `Model.deploy`.

        Raises:
            SettingError: The instance type has GPUs, or the endpoint would be serverless: SageMaker supports neither.
        """
        instance_type = named.get("instance_type") or (arguments[1] if len(arguments) > 1 else None)
        if named.get("serverless_inference_config") is not None:
            raise SettingError("a multi-model endpoint cannot be serverless; name an instance type")
        if has_gpu(instance_type):
            raise SettingError(
                f"{instance_type} has GPUs, where SageMaker runs multi-model endpoints with NVIDIA's own server only; "
                "name a type without, such as ml.c7i.xlarge"
            )
        return super().deploy(*arguments, **named)

    def prepare_container_def(self, *arguments: Any, **named: Any) -> dict[str, Any]:
        """Build the container definition of CreateModel."""
        return {**super().prepare_container_def(*arguments, **named), "Mode": "MultiModel"}

    def list_models(self) -> Iterator[str]:
        """List the names by which requests choose a model.

        Raises:
            ServiceError: AWS refuses.
        """
        paginator = self.sagemaker_session.boto_session.client("s3").get_paginator("list_objects_v2")
        with explained(f"looking for models below {self.prefix}"):
            for page in paginator.paginate(Bucket=self.prefix.bucket, Prefix=self._folder):
                for found in page.get("Contents", []):
                    if found["Key"].endswith(_ARCHIVE):
                        yield found["Key"].removeprefix(self._folder)

    def add_model(self, source: str | Path, name: str | None = None) -> str:
        """Copy a model below the prefix; the endpoint loads it with the first request that names it.

        Args:
            source: S3 address or path of a model.tar.gz.
            name: Name for requests; None: the source's. `.tar.gz` is added if it is missing.

        Raises:
            ArchiveError: There is no such file.
            ServiceError: AWS refuses.

        Returns:
            The model's name for requests.
        """
        # A key has slashes, and a path of this machine perhaps backslashes.
        name = name or (str(source).rpartition("/")[2] if str(source).startswith("s3://") else Path(source).name)
        name = name if name.endswith(_ARCHIVE) else f"{name}{_ARCHIVE}"
        place = self.prefix.below(name)
        client = self.sagemaker_session.boto_session.client("s3")
        if str(source).startswith("s3://"):
            origin = S3Address.parse(str(source))
            with explained(f"copying {origin} to {place}"):
                client.copy({"Bucket": origin.bucket, "Key": origin.key}, place.bucket, place.key)
            return name
        if not Path(source).is_file():
            raise ArchiveError(f"there is no file {source}; name the model.tar.gz that slipway train printed")
        with explained(f"uploading {source} to {place}"):
            client.upload_file(str(source), place.bucket, place.key)
        return name

    @property
    def _folder(self) -> str:
        """Key prefix of the models; it ends with a slash, so that a/b does not match a/bc."""
        return self.prefix.below("").key

    def _check_model_data(self) -> None:
        with explained(f"looking for models below {self.prefix}"):
            answer = self.sagemaker_session.boto_session.client("s3").list_objects_v2(
                Bucket=self.prefix.bucket, Prefix=self._folder, MaxKeys=1
            )
        # A dry run's answer has no count.
        if answer.get("KeyCount") == 0:
            raise ArchiveError(f"there is no model below {self.prefix}; add one first: MultiModel.add_model")
