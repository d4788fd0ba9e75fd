"""A model on SageMaker, with the serving image and checks, which can be deployed to endpoints."""

from collections.abc import Callable, Mapping
from typing import Any

from slipway.aws.session import is_local
from slipway.aws.tags import Tags, with_own_tag
from slipway.checks.arguments import refuse_unknown
from slipway.checks.instance_type import check_instance_type, has_own_disk
from slipway.checks.name import check_name
from slipway.errors import SettingError
from slipway.hosting.autoscaling import Autoscaling, apply_scaling, check_scaling
from slipway.hosting.created_model import CreatedModel
from slipway.hosting.endpoint import create_endpoint, require_endpoint, require_free_name, undone, update_endpoint
from slipway.hosting.kinds import ASYNC_ENVIRONMENT, capture, check_serverless, complete_async
from slipway.hosting.local import require_free_port, started_here
from slipway.hosting.predictor import Predictor
from slipway.hosting.rollout import Rollout
from slipway.hosting.waiting import still_there, wait_until_in_service
from slipway.requests.configurations import as_request
from slipway.requests.endpoint import SINGLE_VARIANT, Configuration, Hosting, Variant
from slipway.requests.names import new_name

STARTUP_S = 900
"""Time for the container to answer its first health check; SageMaker's own limit may be as low as 240 s."""


class Model(CreatedModel):
    """A model with the serving image.

    `slipway.Model` is this class, or with an SDK installed its subclass for that SDK; with version 2, every argument of
    sagemaker.model.Model works too, by name.

    Args:
        model_data: s3://…/model.tar.gz; in local mode also a model.tar.gz, model directory or job directory here.
        role: ARN of the execution role; None: Settings'. Not needed in local mode.
        image_uri: Address or tag of the serving image; None: Settings', else chosen from what push.sh pushed last.
        bucket: Bucket for an endpoint's outputs and for `from_directory`; None: Settings', else that of `model_data`.
        region: AWS region; None: Settings', AWS_REGION, else the profile's.
        sagemaker_session: Session instead of one for the region. Local mode: slipway.local_session().
        predictor_cls: What `deploy` returns: called with the endpoint's name and the session; None: `Predictor`.
        env: Environment of the container.
        name: Name of the model in SageMaker; None: a new one for each endpoint.
        vpc_config: Subnets and SecurityGroupIds.
        enable_network_isolation: Run the container without network access.
        image_config: ImageConfig of the API.
        additional_model_data_sources: AdditionalModelDataSources of the API.
        others: Further arguments of the SDK's class.

    Raises:
        TypeError: An argument is unknown.
        SettingError: The role or the region is missing or invalid.
        ImagesFileError: No image was pushed, and none is named.
    """

    def deploy(
        self,
        initial_instance_count: int | None = None,
        instance_type: str | None = None,
        *,
        endpoint_name: str | None = None,
        tags: Tags = None,
        kms_key: str | None = None,
        capture_percent: int | None = None,
        autoscaling: Autoscaling | None = None,
        update_endpoint: bool = False,
        rollout: Rollout | None = None,
        wait: bool = True,
        show: Callable[[str], None] = print,
        serializer: Any = None,
        deserializer: Any = None,
        serverless_inference_config: Any = None,
        async_inference_config: Any = None,
        data_capture_config: Any = None,
        explainer_config: Any = None,
        inference_ami_version: str | None = None,
        volume_size: int | None = None,
        model_data_download_timeout: int | None = None,
        container_startup_health_check_timeout: int | None = None,
        routing_config: Mapping[str, Any] | None = None,
        **others: Any,
    ) -> Predictor:
        """Create an endpoint, or with update_endpoint=True put this model behind an existing one, without downtime.

        Args:
            initial_instance_count: Number of instances; None: 1.
            instance_type: Such as ml.g4dn.xlarge; `local` needs a session of local mode.
            endpoint_name: Name of the endpoint; None: `slipway` and the time.
            tags: Tags in addition to Slipway's.
            kms_key: Key for the instances' volumes, except for local instance storage, which cannot have one; also for
                what capture_percent records.
            capture_percent: Percentage of requests and answers to record in s3://BUCKET/jobs/capture/ENDPOINT.
            autoscaling: Autoscaling to set up once the endpoint is in service.
            update_endpoint: Update an existing endpoint of that name.
            rollout: How an update shifts the traffic; None: all at once.
            wait: Wait until the endpoint is in service.
            show: Called with progress lines while waiting.
            serializer, deserializer: As for `Predictor`.
            serverless_inference_config: `slipway.Serverless`, or the SDK's ServerlessInferenceConfig.
            async_inference_config: `slipway.Asynchronous`, or the SDK's AsyncInferenceConfig; its paths
                default to s3://BUCKET/jobs/async/ENDPOINT.
            data_capture_config: `slipway.Capture`, or the SDK's DataCaptureConfig.
            explainer_config: The SDK's ExplainerConfig, or that of the API.
            inference_ami_version: Host image of the instances, which is checked; None: for GPUs the one whose driver
                fits the image (slipway/hosts/drivers.py).
            volume_size: Size of the instances' volumes in GB.
            model_data_download_timeout: Seconds to fetch the model.
            container_startup_health_check_timeout: Seconds until the first health check; None: `STARTUP_S`.
            routing_config: RoutingConfig of the API.
            others: None; an unknown argument is refused, with the nearest known name.

        Returns:
            What predictor_cls makes: a `Predictor`.

        Raises:
            TypeError: An argument is unknown.
            SettingError: SageMaker does not support the instance type, a serverless or an asynchronous setting, or
                their combination, or the endpoint's name; or the hosts' driver is too old for the image.
            ArchiveError: There is no model at the address.
            EndpointError: An endpoint of that name exists already, or there is none to update; or it did not come into
                service: the message has the last lines of its log.
            ServiceError: AWS refuses: credentials, permissions, quota, no such image or model; nothing is left behind.
        """
        refuse_unknown("deploy", others, (Model, "deploy"))
        session, local = self.sagemaker_session, self.sagemaker_session.local_mode
        serverless, asynchronous = as_request(serverless_inference_config), as_request(async_inference_config)
        captured = as_request(data_capture_config)
        if autoscaling is not None:
            check_scaling(
                autoscaling, asynchronous=asynchronous is not None, serverless=serverless is not None, wait=wait
            )
        if rollout is not None and not update_endpoint:
            raise SettingError("a rollout is how an update moves the traffic; give update_endpoint=True (--update) too")
        if serverless is not None:
            recorded, isolated = capture_percent or captured, self._enable_network_isolation
            check_serverless(serverless, instance_type, asynchronous, recorded, self.vpc_config, isolated)
        else:
            instance_type = check_instance_type(instance_type, "endpoint")
        if is_local(instance_type) != local:
            raise SettingError(
                f"instance type {instance_type} does not belong to this session; for local mode give "
                "sagemaker_session=slipway.local_session()"
            )
        if local and (asynchronous or capture_percent or autoscaling or update_endpoint):
            raise SettingError("local mode is one container that answers at once; it has none of the other options")
        name = check_name(endpoint_name, "an endpoint") if endpoint_name else new_name("slipway")
        if asynchronous is not None:
            asynchronous = complete_async(asynchronous, self._bucket, name)
            self.env = {**ASYNC_ENVIRONMENT, **(self.env or {})}
        if capture_percent is not None:
            captured = capture(capture_percent, self._bucket, name, kms_key)
        ami = inference_ami_version
        if not local:
            ami = self.choose_host("endpoint", instance_type, ami)
        hosting = Hosting(
            instance_type=instance_type,
            instance_count=initial_instance_count or 1,
            serverless=serverless,
            volume_gb=volume_size,
            download_timeout_s=model_data_download_timeout,
            startup_timeout_s=container_startup_health_check_timeout or (None if local else STARTUP_S),
            routing=routing_config,
            ami=ami,
        )
        explainer = as_request(explainer_config)
        configuration = Configuration(
            tags=with_own_tag(tags),
            kms_key=None if has_own_disk(instance_type) else kms_key,
            capture=captured,
            asynchronous=asynchronous,
            explainer=explainer,
        )
        if local:
            require_free_port(session)
            with started_here(session, name):
                self._start(name, hosting, configuration, name)
            return self._predictor_for(name, serializer, deserializer)
        self.check()
        if update_endpoint:
            require_endpoint(session, name)
            self._start(name, hosting, configuration, name, rollout, update=True)
        else:
            require_free_name(session, name)
            self._start(name, hosting, configuration, endpoint_name or "slipway")
        if wait:
            wait_until_in_service(session, name, show=show)
        if autoscaling is not None:
            is_async, variants = asynchronous is not None, [SINGLE_VARIANT]
            with still_there(name):
                apply_scaling(session, name, autoscaling, variants=variants, asynchronous=is_async)
        return self._predictor_for(name, serializer, deserializer)

    def _start(
        self,
        name: str,
        hosting: Hosting,
        configuration: Configuration,
        base: str,
        rollout: Rollout | None = None,
        *,
        update: bool = False,
    ) -> None:
        """Create the model and the endpoint, or update the endpoint."""
        session, made = self.sagemaker_session, list[str]()
        with undone(session, None, made):
            variants = [
                Variant(model=self.make(hosting.instance_type, configuration.tags, base, made), hosting=hosting)
            ]
            if update:
                moved = rollout.configuration() if rollout else None
                update_endpoint(session, name, configuration, variants, moved)
            else:
                create_endpoint(session, name, configuration, variants)
        self.endpoint_name = name

    def _predictor_for(self, endpoint: str, serializer: Any, deserializer: Any) -> Predictor:
        codec = {"serializer": serializer, "deserializer": deserializer}
        given = {name: value for name, value in codec.items() if value is not None}
        made: Predictor = self.predictor_cls(endpoint, self.sagemaker_session, **given)
        return made
