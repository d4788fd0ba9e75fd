"""A model in SageMaker: where it comes from, its image, its role, and its creation."""

import logging
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

from slipway.aws.connection import Aws
from slipway.aws.refusals import AwsError, explained
from slipway.aws.s3_address import S3Address
from slipway.aws.session import LOCAL_ROLE, AnySession, AwsSession
from slipway.aws.tags import Tags, with_own_tag
from slipway.checks.arguments import refuse_unknown
from slipway.checks.instance_type import Use
from slipway.checks.name import check_name
from slipway.checks.request import check_image, check_role
from slipway.errors import SettingError
from slipway.hosting.cpu_image import ImageChoice, names_here
from slipway.hosting.model_data import model_of_job, require_in_s3, unpacked, upload
from slipway.hosting.predictor import Predictor
from slipway.hosts.fit import choose_ami
from slipway.installed_sdk import OnVersion3
from slipway.requests.model import Container, create_model
from slipway.requests.names import new_name
from slipway.requests.pipelines import in_pipeline, model_step_arguments
from slipway.settings.pushed_images import resolve_image
from slipway.settings.slipway_toml import Settings

_LOG = logging.getLogger(__name__)


class CreatedModel(OnVersion3):
    """A model that can be created in SageMaker. The arguments are those of `Model`."""

    _predictor_class: ClassVar[type[Predictor]] = Predictor

    def __init__(
        self,
        model_data: Any = None,
        role: str | None = None,
        image_uri: str | None = None,
        *,
        bucket: str | None = None,
        region: str | None = None,
        sagemaker_session: AnySession | None = None,
        predictor_cls: Callable[..., Any] | None = None,
        env: Mapping[str, str] | None = None,
        name: str | None = None,
        vpc_config: Mapping[str, Any] | None = None,
        enable_network_isolation: bool | None = None,
        image_config: Mapping[str, Any] | None = None,
        additional_model_data_sources: Sequence[Mapping[str, Any]] | None = None,
        **others: Any,
    ) -> None:
        refuse_unknown("Model", others, (type(self), "__init__"))
        settings = Settings.read()
        session = sagemaker_session or self._session(region)
        self._bucket = bucket or settings.bucket
        self._named: str | None = None
        self._use: Use = "endpoint"
        self._image_choice = ImageChoice(open_=not (image_uri or settings.serve_image or session.local_mode))
        if isinstance(model_data, str | Path) and not str(model_data).startswith("s3://"):
            if not session.local_mode:
                raise SettingError(
                    f"model_data is {model_data}, and SageMaker reads models from S3; Model.from_directory brings it "
                    "there, or give the address of a model.tar.gz"
                )
            self._scratch = tempfile.TemporaryDirectory(prefix="slipway-model-")  # deleted with the model
            path = Path(str(model_data).removeprefix("file://"))
            model_data = f"file://{unpacked(path, Path(self._scratch.name))}"
        if self._bucket is None and isinstance(model_data, str) and model_data.startswith("s3://"):
            self._bucket = S3Address.parse(model_data).bucket
        self.image_uri: str = resolve_image("serve", image_uri, session)
        self.model_data = model_data
        self.role = LOCAL_ROLE if session.local_mode and not role else check_role(role or settings.role)
        self.sagemaker_session = session
        self.predictor_cls = predictor_cls or self._predictor_class
        self.env: dict[str, str] = dict(env or {})
        self.name = check_name(name, "a model") if name else None
        self.vpc_config = vpc_config
        self._enable_network_isolation = bool(enable_network_isolation)
        self.image_config = image_config
        self.additional_model_data_sources = additional_model_data_sources
        self.endpoint_name: str | None = None

    @staticmethod
    def _session(region: str | None) -> AnySession:
        settings = Settings.read()
        return AwsSession(Aws(region or settings.region, settings.profile))

    @classmethod
    def from_job(cls, job: str, **arguments: Any) -> Self:
        """Build a Model from a finished training job.

        Args:
            job: Name of the job.
            arguments: Arguments of `Model`.

        Raises:
            RemoteJobError: The job did not complete; the message has its reason.
            ServiceError: There is no such job, or AWS refuses.
        """
        region = arguments.pop("region", None)
        session = arguments.pop("sagemaker_session", None) or cls._session(region)
        artifacts, of_the_job = model_of_job(session, job)
        return cls(artifacts, sagemaker_session=session, **{**of_the_job, **arguments})

    @classmethod
    def from_directory(cls, path: str | Path, **arguments: Any) -> Self:
        """Build a Model from a local model: packed, and on SageMaker uploaded to s3://BUCKET/jobs/models/.

        Args:
            path: A model directory, a job directory, or a model.tar.gz.
            arguments: Arguments of `Model`; on SageMaker a bucket must be known.

        Raises:
            JobError: There is no model at the path.
            SettingError: No bucket is known.
            ServiceError: The upload is refused.
        """
        bucket = arguments.get("bucket") or Settings.read().bucket
        region = arguments.pop("region", None)
        session = arguments.pop("sagemaker_session", None) or cls._session(region)
        if session.local_mode:
            return cls(path, sagemaker_session=session, **arguments)
        if not bucket:
            raise SettingError("no bucket for the model is named; give bucket=, --bucket, or bucket in slipway.toml")
        place = upload(session, Path(path), bucket)
        made = cls(str(place), sagemaker_session=session, **arguments)
        made._image_choice.files = names_here(Path(path))
        return made

    def create(self, instance_type: str | None = None, *, tags: Tags = None) -> Any:
        """Create the model in SageMaker, as batch transform needs it.

        Args:
            instance_type: The instances that it is for, by which the image is chosen.
            tags: Tags in addition to Slipway's.

        Returns:
            With a PipelineSession of either SDK, the arguments of a ModelStep; else None.

        Raises:
            ServiceError: AWS refuses.
        """
        self._use = "transform"
        self._name_model("slipway")
        if in_pipeline(self.sagemaker_session):
            return model_step_arguments(self, lambda: self._definition(instance_type, tags))
        self._create_sagemaker_model(instance_type, tags=tags)
        return None

    def choose_host(self, use: Use, instance_type: str | None, named: str | None = None) -> str | None:
        """Choose the image for the instances, and the host image for that.

        Args:
            use: What the instances are for.
            instance_type: None for a serverless endpoint.
            named: The user's choice of the host image, which is checked.

        Returns:
            The host image's name for the request; None: SageMaker's own choice.

        Raises:
            SettingError: The image cannot run there; the message names a pair that can.
        """
        self._use = use
        self._choose_image(instance_type)
        return choose_ami(use, instance_type, self.image_uri, named)

    def _definition(self, instance_type: str | None, tags: Tags, **container: Any) -> dict[str, Any]:
        self._choose_image(instance_type)
        return create_model(
            str(self.name),
            self.role,
            self.prepare_container_def(instance_type, **container),
            vpc=self.vpc_config,
            isolated=self._enable_network_isolation,
            tags=with_own_tag(tags),
        )

    def _create_sagemaker_model(self, instance_type: str | None = None, *, tags: Tags = None, **container: Any) -> None:
        if self.name is None:
            self._name_model("slipway")
        request = self._definition(instance_type, tags, **container)
        try:
            with explained(f"creating the model {self.name}"):
                self.sagemaker_session.sagemaker_client.create_model(**request)
        except AwsError as error:
            # A model that the user has named is taken as it is, as the SDK does too.
            if "Cannot create already existing model" not in str(error):
                raise
            _LOG.warning("using the existing model %s", self.name)

    def _choose_image(self, instance_type: str | None) -> None:
        self.image_uri = self._image_choice.for_instances(
            self.image_uri, self.model_data, self.sagemaker_session, instance_type, self._use
        )

    def prepare_container_def(self, instance_type: str | None = None, **_: Any) -> dict[str, Any]:
        """Build the container definition of CreateModel."""
        return Container(
            image=self.image_uri,
            model_data=self.model_data,
            environment=self.env or {},
            image_config=self.image_config,
            more_data=self.additional_model_data_sources,
        ).request()

    def enable_network_isolation(self) -> bool:
        """Whether the container runs without network access."""
        return self._enable_network_isolation

    def delete_model(self) -> None:
        """Delete the model in SageMaker; its archive in S3 stays.

        Raises:
            SettingError: It was not created yet.
            ServiceError: AWS refuses.
        """
        if self.name is None:
            raise SettingError("the model was not created yet; deploy() or create() does that")
        with explained(f"deleting the model {self.name}"):
            self.sagemaker_session.sagemaker_client.delete_model(ModelName=self.name)

    def check(self) -> None:
        """Check that the image and the model's archive exist, as far as these credentials may look.

        Raises:
            SettingError: The image does not exist, or is in another region.
            ArchiveError: The model does not exist.
            ServiceError: AWS refuses.
        """
        check_image(self.sagemaker_session, str(self.image_uri))
        self._check_model_data()

    def make(self, instance_type: str | None, tags: Tags, base_name: str, made: list[str]) -> str:
        """Create the model in SageMaker, for an endpoint.

        Args:
            instance_type: The instances that it is for; None for a serverless endpoint.
            tags: Tags in addition to Slipway's.
            base_name: Prefix of the model's name, unless the user has named it.
            made: The name is appended here if it is a new one.

        Returns:
            The model's name.

        Raises:
            ServiceError: AWS refuses.
        """
        made += self._name_model(base_name)
        with explained(f"creating the model {self.name}"):
            self._create_sagemaker_model(instance_type, tags=tags)
        return str(self.name)

    def _name_model(self, base: str) -> list[str]:
        """Give the model a new name, unless the user has named it; return the new names.

        Two endpoints must not share a model that is deleted with the first.
        """
        if self.name and self.name != self._named:
            return []
        self.name = new_name(base)
        self._named = self.name
        return [self.name]

    def _check_model_data(self) -> None:
        # A dictionary is taken too, which AWS validates.
        if isinstance(self.model_data, str):
            require_in_s3(self.sagemaker_session, self.model_data)
