"""A model on SageMaker, or in the SDK's local mode: the SDK's Model with the serving image and checks."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from sagemaker.model import Model as SdkModel
from sagemaker.session import Session, production_variant
from sagemaker.utils import name_from_base

from slipway.aws.refusals import explained
from slipway.aws.session import LOCAL_ROLE, is_local, session_for
from slipway.aws.tags import Tags, with_own_tag
from slipway.checks.arguments import refuse_unknown
from slipway.checks.instance_type import check_instance_type, has_gpu
from slipway.checks.request import check_image, check_role
from slipway.checks.s3_address import S3Address
from slipway.deploy.autoscaling import Autoscaling, apply_scaling, check_scaling
from slipway.deploy.cpu_image import ImageChoice, names_here
from slipway.deploy.endpoint import SINGLE_VARIANT, require_endpoint, require_free_name, undone, update_endpoint
from slipway.deploy.kinds import ASYNC_ENVIRONMENT, capture, check_serverless, complete_async
from slipway.deploy.local import require_free_port, started_here
from slipway.deploy.model_data import model_of_job, require_in_s3, unpacked, upload
from slipway.deploy.predictor import Predictor
from slipway.deploy.rollout import Rollout
from slipway.deploy.waiting import still_there, wait_until_in_service
from slipway.errors import SettingError
from slipway.images import resolve_image
from slipway.settings import Settings

GPU_AMI = "al2023-ami-sagemaker-inference-gpu-4-1"
"""Host image of GPU endpoints with driver 580, which CUDA 13 needs; SageMaker's default host may have an older one."""

STARTUP_S = 900
"""Time for the container to answer its first health check; SageMaker's own limit may be as low as 240 s."""


class Model(SdkModel):  # type: ignore[misc]  # the SDK has no types
    """The SDK's Model (version 2); every argument of its still works, by name.

    Args:
        model_data: s3://…/model.tar.gz; in local mode also a model.tar.gz, model directory or job directory here.
        role: ARN of the execution role; None: Settings'. Not needed in local mode.
        image_uri: Address or tag of the serving image; None: Settings', else chosen from what push.sh pushed last.
        bucket: Bucket for an endpoint's outputs and for `from_directory`; None: Settings', else that of `model_data`.
        region: AWS region; None: Settings', AWS_REGION, else the profile's.
        sagemaker_session: Session instead of one for the region. Local mode: slipway.aws.session.local_session().
        sdk_arguments: Further arguments of sagemaker.model.Model, such as env, vpc_config, name, model_kms_key.

    Raises:
        SettingError: The role or the region is missing or invalid.
        ImagesFileError: No image was pushed, and none is named.
    """

    def __init__(
        self,
        model_data: Any = None,
        role: str | None = None,
        image_uri: str | None = None,
        *,
        bucket: str | None = None,
        region: str | None = None,
        sagemaker_session: Session | None = None,
        **sdk_arguments: Any,
    ) -> None:
        refuse_unknown("Model", sdk_arguments, (Model, "__init__"))
        settings = Settings.read()
        session = _session(sagemaker_session, region)
        self._bucket = bucket or settings.bucket
        self._named: str | None = None
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
        sdk_arguments.setdefault("predictor_cls", Predictor)
        super().__init__(
            image_uri=resolve_image("serve", image_uri, session),
            model_data=model_data,
            role=LOCAL_ROLE if session.local_mode and not role else check_role(role or settings.role),
            sagemaker_session=session,
            **sdk_arguments,
        )

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
        session = _session(arguments.pop("sagemaker_session", None), arguments.pop("region", None))
        artifacts, of_the_job = model_of_job(session, job)
        arguments = {**of_the_job, **arguments}
        return cls(artifacts, sagemaker_session=session, **arguments)

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
        session = _session(arguments.pop("sagemaker_session", None), arguments.pop("region", None))
        if session.local_mode:
            return cls(path, sagemaker_session=session, **arguments)
        if not bucket:
            raise SettingError("no bucket for the model is named; give bucket=, --bucket, or bucket in slipway.toml")
        place = upload(session, Path(path), bucket)
        made = cls(str(place), sagemaker_session=session, **arguments)
        made._image_choice.files = names_here(Path(path))
        return made

    def deploy(
        self,
        initial_instance_count: int | None = None,
        instance_type: str | None = None,
        *,
        endpoint_name: str | None = None,
        tags: Tags = None,
        capture_percent: int | None = None,
        autoscaling: Autoscaling | None = None,
        update_endpoint: bool = False,
        rollout: Rollout | None = None,
        wait: bool = True,
        show: Callable[[str], None] = print,
        **sdk_arguments: Any,
    ) -> Predictor:
        """Create an endpoint, or with update_endpoint=True put this model behind an existing one, without downtime.

        Args:
            initial_instance_count: Number of instances; None: 1.
            instance_type: Such as ml.g4dn.xlarge; `local` needs a session of local mode.
            endpoint_name: Name of the endpoint; None: `slipway` and the time.
            tags: Tags in addition to Slipway's.
            capture_percent: Percentage of requests and answers to record in s3://BUCKET/jobs/capture/ENDPOINT.
            autoscaling: Autoscaling to set up once the endpoint is in service.
            update_endpoint: Update an existing endpoint of that name.
            rollout: How an update shifts the traffic; None: all at once.
            wait: Wait until the endpoint is in service.
            show: Called with progress lines while waiting.
            sdk_arguments: Further arguments of sagemaker.model.Model.deploy: serverless_inference_config,
                async_inference_config (its paths default to s3://BUCKET/jobs/async/ENDPOINT), data_capture_config,
                inference_ami_version (default for GPU instances: `GPU_AMI`), kms_key, volume_size, …

        Raises:
            SettingError: SageMaker does not support the instance type, a serverless or an asynchronous setting, or
                their combination.
            ArchiveError: There is no model at the address.
            EndpointError: An endpoint of that name exists already, or there is none to update; or it did not come into
                service: the message has the last lines of its log.
            ServiceError: AWS refuses: credentials, permissions, quota, no such image or model; nothing is left behind.
        """
        refuse_unknown("deploy", sdk_arguments, (Model, "deploy"))
        serverless = sdk_arguments.get("serverless_inference_config")
        asynchronous = sdk_arguments.get("async_inference_config")
        if autoscaling is not None:
            check_scaling(
                autoscaling, asynchronous=asynchronous is not None, serverless=serverless is not None, wait=wait
            )
        if rollout is not None and not update_endpoint:
            raise SettingError("a rollout is how an update moves the traffic; give update_endpoint=True (--update) too")
        if serverless is not None:
            recorded = capture_percent or sdk_arguments.get("data_capture_config")
            isolated = self.enable_network_isolation()
            check_serverless(serverless, instance_type, asynchronous, recorded, self.vpc_config, isolated)
        else:
            instance_type = check_instance_type(instance_type, "endpoint")
            initial_instance_count = initial_instance_count or 1
        if is_local(instance_type) != self.sagemaker_session.local_mode:
            raise SettingError(
                f"instance type {instance_type} does not belong to this session; for local mode give "
                "sagemaker_session=slipway.aws.session.local_session()"
            )
        name = endpoint_name or name_from_base("slipway")
        if self.sagemaker_session.local_mode:
            if asynchronous or capture_percent or autoscaling or update_endpoint:
                raise SettingError("local mode is one container that answers at once; it has none of the other options")
            return self._deploy_here(instance_type, name, **sdk_arguments)
        if asynchronous is not None:
            sdk_arguments["async_inference_config"] = complete_async(asynchronous, self._bucket, name)
            self.env: dict[str, str] = {**ASYNC_ENVIRONMENT, **(self.env or {})}
        if capture_percent is not None:
            sdk_arguments["data_capture_config"] = capture(capture_percent, self._bucket, name, self.sagemaker_session)
        if has_gpu(instance_type):
            sdk_arguments.setdefault("inference_ami_version", GPU_AMI)
        if serverless is None:
            sdk_arguments.setdefault("container_startup_health_check_timeout", STARTUP_S)
        self.image_uri = self._image_choice.for_instances(self, instance_type)
        self.check()
        if update_endpoint:
            require_endpoint(self.sagemaker_session, name)
            codec = {key: sdk_arguments.pop(key) for key in ("serializer", "deserializer") if key in sdk_arguments}
            self._update(name, instance_type, initial_instance_count, tags, rollout, sdk_arguments)
            predictor = self.predictor_cls(name, self.sagemaker_session, **codec)
        else:
            require_free_name(self.sagemaker_session, name)
            made = self._name_model(endpoint_name or "slipway")
            with undone(self.sagemaker_session, name, made), explained(f"creating the endpoint {name}"):
                predictor = super().deploy(
                    initial_instance_count,
                    instance_type,
                    endpoint_name=name,
                    tags=with_own_tag(tags),
                    wait=False,
                    **sdk_arguments,
                )
        if wait:
            wait_until_in_service(self.sagemaker_session, name, show=show)
        if autoscaling is not None:
            with still_there(name):
                is_async = asynchronous is not None
                variants = [SINGLE_VARIANT]
                apply_scaling(self.sagemaker_session, name, autoscaling, variants=variants, asynchronous=is_async)
        # For an asynchronous endpoint the SDK wraps the predictor in a class that cannot handle pictures.
        return getattr(predictor, "predictor", predictor)  # type: ignore[no-any-return]

    def _create_sagemaker_model(
        self, instance_type: str | None = None, *arguments: Any, tags: Tags = None, **named: Any
    ) -> None:
        # deploy(), create() and transformer() all come through here.
        self.image_uri = self._image_choice.for_instances(self, instance_type)
        super()._create_sagemaker_model(instance_type, *arguments, tags=with_own_tag(tags), **named)

    def check(self) -> None:
        """Check that the image and the model's archive exist, as far as these credentials may look.

        Raises:
            SettingError: The image does not exist, or is in another region.
            ArchiveError: The model does not exist.
            ServiceError: AWS refuses.
        """
        check_image(self.sagemaker_session, str(self.image_uri))
        self._check_model_data()

    def make(self, instance_type: str | None, tags: Tags, base_name: str, made: list[str], **sdk_arguments: Any) -> str:
        """Create the model in SageMaker, for an endpoint with several variants.

        Args:
            instance_type: As in the SDK.
            tags: Tags in addition to Slipway's.
            base_name: Prefix of the model's name, unless the user has named it.
            made: The name is appended here if it is a new one.
            sdk_arguments: Further arguments of the SDK.

        Returns:
            The model's name.

        Raises:
            ServiceError: AWS refuses.
        """
        made += self._name_model(base_name)
        with explained(f"creating the model {self.name}"):
            self._create_sagemaker_model(instance_type=instance_type, tags=tags, **sdk_arguments)
        return str(self.name)

    def _name_model(self, base: str) -> list[str]:
        """Give the model a new name, unless the user has named it; return the new names.

        Two endpoints must not share a model that is deleted with the first.
        """
        if self.name and self.name != self._named:
            return []
        self.name: str | None = name_from_base(base)
        self._named = self.name
        return [str(self.name)]

    def _update(
        self,
        name: str,
        instance_type: str | None,
        count: int | None,
        tags: Tags,
        rollout: Rollout | None,
        sdk: dict[str, Any],
    ) -> None:
        serverless = sdk.pop("serverless_inference_config", None)
        configurations = {
            key: sdk.pop(f"{key}_config", None) for key in ("data_capture", "async_inference", "explainer")
        }
        kms_key = sdk.pop("kms_key", None)
        made: list[str] = []
        with undone(self.sagemaker_session, None, made):
            variant = production_variant(
                self.make(instance_type, tags, name, made, serverless_inference_config=serverless),
                instance_type,
                count,
                serverless_inference_config=serverless and serverless._to_request_dict(),
                **sdk,
            )
            described = {key: value._to_request_dict() for key, value in configurations.items() if value is not None}
            moved = rollout.configuration() if rollout else None
            sent = {"tags": with_own_tag(tags), "kms_key": kms_key, "rollout": moved, **described}
            update_endpoint(self.sagemaker_session, name, [variant], **sent)

    def _deploy_here(self, instance_type: str | None, name: str, **sdk_arguments: Any) -> Predictor:
        require_free_port(self.sagemaker_session)
        self._name_model(name)
        with started_here(self.sagemaker_session, name):
            # The SDK waits all the same, and polls only twice a minute.
            return super().deploy(  # type: ignore[no-any-return]
                1, instance_type, endpoint_name=name, wait=False, **sdk_arguments
            )

    def _check_model_data(self) -> None:
        # The SDK also takes a dictionary, which AWS validates.
        if isinstance(self.model_data, str):
            require_in_s3(self.sagemaker_session, self.model_data)


def _session(given: Session | None, region: str | None) -> Session:
    settings = Settings.read()
    return given or session_for("endpoint", region=region or settings.region, profile=settings.profile)
