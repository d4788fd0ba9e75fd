"""A training job on SageMaker, or in the SDK's local mode: the SDK's Estimator with Slipway's image and checks."""

from collections.abc import Mapping
from typing import Any, Self

from sagemaker.debugger import TensorBoardOutputConfig
from sagemaker.estimator import Estimator as SdkEstimator
from sagemaker.session import Session
from sagemaker.utils import name_from_base

from container.train.hyperparameters import TrainConfig
from container.train.metric_lines import METRIC_DEFINITIONS
from slipway.aws.refusals import explained
from slipway.aws.session import LOCAL_ROLE, is_local, session_for
from slipway.aws.tags import with_own_tag
from slipway.checks.bucket import output_bucket
from slipway.checks.inputs import Inputs, as_channels, check_channels
from slipway.checks.request import check_image, check_instance_type, check_role
from slipway.errors import SettingError
from slipway.images import resolve_image
from slipway.model import Model
from slipway.predictor import Predictor
from slipway.settings import Settings
from slipway.training_job import finished_job, local_failure

_MAX_RUN_S = 24 * 60 * 60
_SCRIPT_ARGUMENTS = ("entry_point", "source_dir")


class Estimator(SdkEstimator):  # type: ignore[misc]  # the SDK has no types
    """The SDK's Estimator (version 2); every argument of its still works.

    Args:
        role: ARN of the execution role; None: SLIPWAY_ROLE or slipway.toml's. Not needed in local mode.
        instance_type: Such as ml.g4dn.xlarge; `local` or `local_gpu` is the SDK's local mode, with Docker.
        instance_count: The image distributes the training over several instances, and over the GPUs of each, by itself.
        image_uri: Address or tag of the training image; None: Settings', else what push.sh pushed last.
        hyperparameters: By the names of the README's table; checked at once. With `entry_point`, the script's own.
        debug: Sets the hyperparameter of that name.
        profile: Likewise.
        spot: Managed spot training, with checkpoints, so that an interruption costs little.
        tensorboard: Event files to <output>/<job>/tensorboard.
        bucket: For the outputs, below jobs/; None: Settings', else that of the train channel.
        region: None: Settings', AWS_REGION, else the profile's.
        sagemaker_session: In place of one for the region.
        sdk_arguments: Further ones of sagemaker.estimator.Estimator, such as subnets, volume_kms_key, tags,
            keep_alive_period_in_seconds (warm pools), enable_network_isolation, max_run.

    Raises:
        HyperparameterError: A hyperparameter is unknown or out of range.
        SettingError: No instance type, an unknown one, no role, or one that is none.
        ImagesFileError: No image was pushed, and none is named.
    """

    def __init__(
        self,
        role: str | None = None,
        instance_type: str | None = None,
        instance_count: int | None = 1,
        image_uri: str | None = None,
        hyperparameters: Mapping[str, object] | None = None,
        *,
        debug: bool = False,
        profile: bool = False,
        spot: bool = False,
        tensorboard: bool = False,
        bucket: str | None = None,
        region: str | None = None,
        sagemaker_session: Session | None = None,
        **sdk_arguments: Any,
    ) -> None:
        settings = Settings.read()
        self._own_script = any(sdk_arguments.get(name) for name in _SCRIPT_ARGUMENTS)
        given = {**(hyperparameters or {}), **({"debug": True} if debug else {}), **({"profile": True} if profile else {})}
        if not self._own_script:
            config = TrainConfig.from_strings(given)
            sdk_arguments.setdefault("base_job_name", f"slipway-{config.model_type}")
        else:
            sdk_arguments.setdefault("base_job_name", "slipway-script")
        if sdk_arguments.get("instance_groups"):
            instance_type, instance_count = None, None
        else:
            instance_type = check_instance_type(instance_type, "training")
        local = is_local(instance_type)
        session = sagemaker_session or session_for(
            instance_type, region=region or settings.region, profile=settings.profile
        )
        self._bucket = bucket or settings.bucket
        # What the user names counts.
        self._spot = spot and not sdk_arguments.get("checkpoint_s3_uri")
        self._tensorboard = tensorboard and not sdk_arguments.get("tensorboard_output_config")
        if spot:
            sdk_arguments["use_spot_instances"] = True
            sdk_arguments.setdefault("max_wait", 2 * int(sdk_arguments.get("max_run") or _MAX_RUN_S))
        # Without a word, the SDK would have SageMaker write tensors for its Debugger.
        sdk_arguments.setdefault("debugger_hook_config", False)
        own_metrics = [] if self._own_script else METRIC_DEFINITIONS
        super().__init__(
            image_uri=resolve_image("train", image_uri, session),
            role=LOCAL_ROLE if local and not role else check_role(role or settings.role),
            instance_count=instance_count,
            instance_type=instance_type,
            hyperparameters=dict(given),
            sagemaker_session=session,
            metric_definitions=[*own_metrics, *(sdk_arguments.pop("metric_definitions", None) or [])] or None,
            tags=with_own_tag(sdk_arguments.pop("tags", None)),
            **sdk_arguments,
        )

    @property
    def is_local(self) -> bool:
        """Whether this is the SDK's local mode."""
        return is_local(self.instance_type)

    def set_hyperparameters(self, **hyperparameters: object) -> None:
        """Add hyperparameters; `_` may stand for `-`.

        Raises:
            HyperparameterError: One is unknown or out of range.
        """
        given = hyperparameters
        if not self._own_script:
            given = {name.replace("_", "-"): value for name, value in hyperparameters.items()}
            TrainConfig.from_strings({**self._hyperparameters, **given})
        self._hyperparameters.update(given)

    def fit(
        self,
        inputs: Inputs = None,
        wait: bool = True,
        logs: str | bool = "All",
        job_name: str | None = None,
        experiment_config: Mapping[str, str] | None = None,
    ) -> None:
        """Check everything that can be checked, start the job, and wait for it.

        Args:
            inputs: Channels by name (train, validation, test, weights), or the train channel alone: an S3 address,
                in local mode also a folder, or the SDK's TrainingInput.
            wait: Until the job ends; its log is shown meanwhile.
            logs: Which of its log's lines: All, None, Rules, Training.
            job_name: None: made of base_job_name and the time.
            experiment_config: As the SDK takes it.

        Raises:
            SettingError: A channel is misnamed or missing, or a folder where S3 is needed.
            ServiceError: AWS refuses: credentials, permissions, quota, no such image or bucket; nothing was started.
            RemoteJobError: The job failed or was stopped; the message is its own.
        """
        channels = as_channels(inputs, local=self.is_local, own_script=self._own_script)
        job = job_name or name_from_base(self.base_job_name)
        self._set_outputs(channels, job)
        if not self.is_local:
            check_image(self.sagemaker_session, self.training_image_uri())
            check_channels(self.sagemaker_session, channels)
        if self.is_local:
            with local_failure(job):
                super().fit(channels, wait=wait, logs=logs, job_name=job)
            return
        with explained("starting the training job"):
            super().fit(channels, wait=False, logs=False, job_name=job, experiment_config=experiment_config)
        if wait:
            finished_job(self.sagemaker_session, job, logs=bool(logs) and logs not in ("None", "Rules"))

    def _set_outputs(self, channels: Mapping[str, Any], job: str) -> None:
        if self.is_local:
            return
        if self.output_path is None:
            self.output_path = f"s3://{output_bucket(self._bucket, channels)}/jobs"
        below = f"{str(self.output_path).rstrip('/')}/{job}"
        # A later job of this Estimator shall not go on from this one's checkpoints.
        if self._spot:
            self.checkpoint_s3_uri = f"{below}/checkpoints"
        if self._tensorboard:
            self.tensorboard_output_config = TensorBoardOutputConfig(
                s3_output_path=f"{below}/tensorboard", container_local_output_path="/opt/ml/output/tensorboard"
            )

    @classmethod
    def attach(
        cls,
        training_job_name: str,
        sagemaker_session: Session | None = None,
        model_channel_name: str = "model",
        *,
        region: str | None = None,
    ) -> Self:
        """An Estimator with a job's settings, spot and metrics included; waits for the job if it is still running.

        Raises:
            ServiceError: There is no such job, or AWS refuses.
            RemoteJobError: The job failed or was stopped.
        """
        settings = Settings.read()
        session = sagemaker_session or session_for(
            "attach", region=region or settings.region, profile=settings.profile
        )
        with explained(f"attaching to the training job {training_job_name}"):
            finished_job(session, training_job_name, logs=False)
            return super().attach(training_job_name, session, model_channel_name)  # type: ignore[no-any-return]

    @classmethod
    def _prepare_init_params_from_job_description(
        cls, job_details: Mapping[str, Any], model_channel_name: str | None = None
    ) -> dict[str, Any]:
        found = super()._prepare_init_params_from_job_description(job_details, model_channel_name)
        # The SDK's own reads none of these.
        if checkpoints := job_details.get("CheckpointConfig"):
            found["checkpoint_s3_uri"] = checkpoints["S3Uri"]
            found["checkpoint_local_path"] = checkpoints.get("LocalPath")
        own = [entry["Name"] for entry in METRIC_DEFINITIONS]
        metrics = job_details["AlgorithmSpecification"].get("MetricDefinitions", [])
        found["metric_definitions"] = [entry for entry in metrics if entry["Name"] not in own]
        if environment := job_details.get("Environment"):
            found["environment"] = environment
        return dict(found)

    def create_model(
        self,
        role: str | None = None,
        image_uri: str | None = None,
        predictor_cls: Any = None,
        vpc_config_override: Any = "VPC_CONFIG_DEFAULT",
        **model_arguments: Any,
    ) -> Model:
        """The trained model, with the serving image.

        Args:
            role: None: the job's.
            image_uri: None: the serving image that push.sh pushed last, or Settings'.
            predictor_cls: None: `Predictor`.
            vpc_config_override: As the SDK takes it.
            model_arguments: Further ones of `Model`.
        """
        if vpc_config_override == "VPC_CONFIG_DEFAULT":
            vpc_config_override = self.get_vpc_config()
        model_arguments.setdefault("enable_network_isolation", self.enable_network_isolation())
        return Model(
            model_data=self.model_data,
            role=role or self.role,
            image_uri=image_uri,
            predictor_cls=predictor_cls or Predictor,
            vpc_config=vpc_config_override,
            sagemaker_session=self.sagemaker_session,
            **model_arguments,
        )

    def deploy(self, instance_type: str | None = None, initial_instance_count: int = 1, **arguments: Any) -> Predictor:
        """Deploy the trained model; see `Model.deploy`, which takes the arguments.

        Raises:
            SettingError: There is no trained model yet, or no instance type.
        """
        if self.latest_training_job is None:
            raise SettingError("there is no trained model to deploy; call fit() first, or Estimator.attach(job)")
        of_model = {name: arguments.pop(name) for name in ("role", "image_uri", "predictor_cls") if name in arguments}
        model = self.create_model(**of_model)
        return model.deploy(
            instance_type=instance_type, initial_instance_count=initial_instance_count, **arguments
        )
