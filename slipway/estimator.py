"""A training job on SageMaker, or in the SDK's local mode: the SDK's Estimator with Slipway's image and checks."""

from collections.abc import Callable, Mapping
from typing import Any, Self

from sagemaker.debugger import DebuggerHookConfig
from sagemaker.session import Session
from sagemaker.utils import name_from_base

from container.contract.hyperparameters import TrainConfig
from slipway.attached_job import CHECKPOINTS, as_the_sdk_reads_it, forgotten_by_the_sdk
from slipway.aws.refusals import explained
from slipway.aws.session import LOCAL_ROLE, is_local, session_for
from slipway.aws.tags import with_own_tag
from slipway.checks.arguments import refuse_unknown
from slipway.checks.bucket import output_bucket
from slipway.checks.inputs import Inputs, as_channels, check_channels
from slipway.checks.instance_type import check_instance_type
from slipway.checks.request import check_image, check_role
from slipway.debugger_arguments import check_profiler, debugger_arguments
from slipway.debugger_hook import merged_collections
from slipway.debugger_rules import Rules
from slipway.deploy.model import Model
from slipway.deploy.predictor import Predictor
from slipway.errors import SettingError
from slipway.images import resolve_image
from slipway.job_definition import board_below, has_script, python_names, spot_arguments, take_known, with_own_metrics
from slipway.latest_job import LatestJob
from slipway.local_mode import local_job
from slipway.settings import Settings
from slipway.training_job import finished_job
from slipway.transform.transformer import Transformer

_OF_MODELS = ((Model, "__init__"), (LatestJob, "create_model"))


class Estimator(LatestJob):
    """The SDK's Estimator (version 2); every argument of its still works.

    Args:
        role: ARN of the execution role; None: SLIPWAY_ROLE or slipway.toml's. Not needed in local mode.
        instance_type: Such as ml.g4dn.xlarge; `local` or `local_gpu` is the SDK's local mode, with Docker.
        instance_count: The image distributes the training over several instances, and over the GPUs of each, by itself.
        image_uri: Address or tag of the training image; None: Settings', else what push.sh pushed last.
        hyperparameters: Values by the names in the README's table, checked at once. With `entry_point`, the script's.
        debug: Sets the hyperparameter of that name, and SageMaker brings the tensors to <output>/<job>/debug-output,
            where its rules read them; a DebuggerHookConfig of the SDK's says which tensors. docs/sagemaker.md has more.
        rules: SageMaker's rules to attach: names such as VanishingGradient or LowGPUUtilization, and the SDK's Rule
            and ProfilerRule. Rules on tensors save what they need. Not in local mode.
        profile: The image's own profiler; False sets that hyperparameter. SageMaker's is the SDK's profiler_config.
        spot: Managed spot training with checkpoints at <output>/<job>/checkpoints, so that an interruption costs
            little. The job may take twice `max_run`, including the wait for instances; `max_wait` changes that.
        tensorboard: Event files for TensorBoard; SageMaker puts them at <output>/<job>/tensorboard-output.
        bucket: Bucket for outputs, below jobs/; None: Settings', else that of the train channel. Not in local mode.
        region: AWS region; None: Settings', AWS_REGION, else the profile's.
        sagemaker_session: Session to use instead of one for the region.
        sdk_arguments: Further arguments of sagemaker.estimator.Estimator, such as subnets, volume_kms_key, tags,
            keep_alive_period_in_seconds (warm pools), enable_network_isolation, max_run.

    Raises:
        TypeError, HyperparameterError: An argument or a hyperparameter is unknown, or the latter is out of range.
        SettingError: The instance type or the role is missing or invalid; there is no such rule, or there are too many.
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
        debug: bool | DebuggerHookConfig = False,
        rules: Rules | None = None,
        profile: bool = True,
        spot: bool = False,
        tensorboard: bool = False,
        bucket: str | None = None,
        region: str | None = None,
        sagemaker_session: Session | None = None,
        **sdk_arguments: Any,
    ) -> None:
        refuse_unknown("Estimator", sdk_arguments, (Estimator, "__init__"))
        settings = Settings.read()
        given = dict(hyperparameters or {})
        self.own_script = has_script(given, sdk_arguments)
        if self.own_script:
            sdk_arguments.setdefault("base_job_name", "slipway-script")
        else:
            asked = {**({"debug": True} if debug is True else {}), **({} if profile else {"profile": False})}
            given = python_names({**asked, **given})
            config = TrainConfig.from_strings(given)
            debug = debug or config.debug
            sdk_arguments.setdefault("base_job_name", f"slipway-{config.slug}")
        if sdk_arguments.get("instance_groups"):
            instance_type, instance_count = None, None
        else:
            instance_type = check_instance_type(instance_type, "training")
        local = is_local(instance_type)
        if spot:
            sdk_arguments.update(spot_arguments(sdk_arguments, local=local))
        session = sagemaker_session or session_for(
            instance_type, region=region or settings.region, profile=settings.profile
        )
        self._bucket = bucket or settings.bucket
        # The user's arguments win.
        self._spot = spot and not sdk_arguments.get("checkpoint_s3_uri")
        self._tensorboard = tensorboard and not sdk_arguments.get("tensorboard_output_config")
        sdk_arguments.update(
            debugger_arguments(debug, rules, sdk_arguments, region=None if local else session.boto_region_name)
        )
        super().__init__(
            image_uri=resolve_image("train", image_uri, session),
            role=LOCAL_ROLE if local and not role else check_role(role or settings.role),
            instance_count=instance_count,
            instance_type=instance_type,
            hyperparameters=given,
            sagemaker_session=session,
            metric_definitions=with_own_metrics(
                sdk_arguments.pop("metric_definitions", None), own_script=self.own_script
            ),
            tags=with_own_tag(sdk_arguments.pop("tags", None)),
            **sdk_arguments,
        )
        check_profiler(self.rules, self.profiler_config, disabled=self.disable_profiler)

    def set_hyperparameters(self, **hyperparameters: object) -> None:
        """Add hyperparameters; `_` may stand for `-`.

        Raises:
            HyperparameterError: One is unknown or out of range.
        """
        if self.own_script:
            super().set_hyperparameters(**hyperparameters)
            return
        given = python_names(hyperparameters)
        config = TrainConfig.from_strings({**self._hyperparameters, **given})
        self._hyperparameters.update(given)
        region = None if self.is_local else self.sagemaker_session.boto_region_name
        hook = {"debugger_hook_config": self.debugger_hook_config}
        hook = debugger_arguments(config.debug, self.rules, hook, region=region)
        self.debugger_hook_config: Any = hook["debugger_hook_config"]

    def _prepare_collection_configs(self) -> None:
        # Where a rule and the hook configure one collection, the SDK sends both, in no order.
        of_rules = [collection for rule in self.debugger_rules or () for collection in rule.collection_configs]
        self.collection_configs = merged_collections(of_rules, self.debugger_hook_config)

    def new_job_name(self) -> str:
        """Build a job name from base_job_name and the time."""
        return str(name_from_base(self.base_job_name))

    def fit(
        self,
        inputs: Inputs = None,
        wait: bool = True,
        logs: str | bool = "All",
        job_name: str | None = None,
        experiment_config: Mapping[str, str] | None = None,
        *,
        show: Callable[[str], None] | None = None,
    ) -> None:
        """Check everything that can be checked, start the job, and wait for it.

        Args:
            inputs: Channels by name (train, validation, test, weights), or the train channel alone: an S3 address,
                in local mode also a folder, or the SDK's TrainingInput.
            wait: Wait until the job ends, and show its log. Local mode always waits.
            logs: Which logs to show: "All", "Training" or True; "None" or False for none.
            job_name: Name of the job; None: base_job_name and the time.
            experiment_config: As in the SDK.
            show: Called with each line of the log; None: print it.

        Raises:
            SettingError: A channel is misnamed or missing, or a folder where S3 is needed.
            ServiceError: AWS refuses: credentials, permissions, quota, no such image or bucket; nothing was started.
            RemoteJobError: The job failed or was stopped; the message has its reason.
        """
        job = job_name or self.new_job_name()
        channels = self.prepare_inputs(inputs, job)
        if self.is_local:
            with local_job(self.sagemaker_session, job, str(self.output_path or ""), show):
                super().fit(channels, wait=wait, logs=logs, job_name=job)
            return
        with explained("starting the training job"):
            super().fit(channels, wait=False, logs=False, job_name=job, experiment_config=experiment_config)
        if wait:
            self.wait(show or print if logs not in (False, "None", "Rules") else None)

    def wait(self, show: Callable[[str], None] | None = None) -> None:
        """Wait for the latest job to end.

        Args:
            show: Called with each line of its log; None: the log is not read.

        Raises:
            RemoteJobError: The job failed or was stopped, or Ctrl-C ended the wait (the job keeps running).
            ServiceError: AWS refuses.
        """
        if self.job_name is None:
            raise SettingError("there is no job to wait for; call fit() first, or Estimator.attach(job)")
        if not self.is_local:
            finished_job(self.sagemaker_session, self.job_name, show)

    def prepare_inputs(self, inputs: Inputs, job: str) -> dict[str, Any]:
        """Prepare a job as `fit` does before it starts one: choose the output paths, check the channels and the image.

        Args:
            inputs: As for `fit`.
            job: Name of the training or tuning job.

        Returns:
            Inputs by channel, in the SDK's form.

        Raises:
            UserError: As for `fit`.
        """
        channels = as_channels(inputs, local=self.is_local, own_script=self.own_script)
        self._set_outputs(channels, job)
        if not self.is_local:
            check_image(self.sagemaker_session, str(self.image_uri))
            check_channels(self.sagemaker_session, channels)
        return channels

    def _set_outputs(self, channels: Mapping[str, Any], job: str) -> None:
        if self.is_local:
            return
        if self.output_path is None:
            self.output_path: str | None = f"s3://{output_bucket(self._bucket, channels)}/jobs"
        base = str(self.output_path).rstrip("/")
        # A later job of this Estimator must not resume from this one's checkpoints.
        if self._spot:
            self.checkpoint_s3_uri = f"{base}/{job}/{CHECKPOINTS}"
            self.checkpoint_local_path = "/opt/ml/checkpoints"
        if self._tensorboard:
            self.tensorboard_output_config = board_below(base)

    @classmethod
    def attach(
        cls,
        training_job_name: str,
        sagemaker_session: Session | None = None,
        model_channel_name: str = "model",
        *,
        region: str | None = None,
    ) -> Self:
        """Build an Estimator with a job's settings, including spot and metrics; wait for the job if it is running.

        Raises:
            ServiceError: There is no such job, or AWS refuses.
            RemoteJobError: The job failed, or was stopped and left no model.
        """
        settings = Settings.read()
        session = sagemaker_session or session_for("attach", region=region or settings.region, profile=settings.profile)
        finished_job(session, training_job_name, accept_stopped=True)
        with explained(f"attaching to the training job {training_job_name}"):
            attached: Self = super().attach(training_job_name, session, model_channel_name)
        return attached

    @classmethod
    def _prepare_init_params_from_job_description(
        cls, job_details: Mapping[str, Any], model_channel_name: str | None = None
    ) -> dict[str, Any]:
        found = super()._prepare_init_params_from_job_description(as_the_sdk_reads_it(job_details), model_channel_name)
        return {**found, **forgotten_by_the_sdk(job_details)}

    def create_model(
        self,
        role: str | None = None,
        image_uri: str | None = None,
        predictor_cls: Any = None,
        vpc_config_override: Any = "VPC_CONFIG_DEFAULT",
        **model_arguments: Any,
    ) -> Model:
        """Build a `Model` from the trained model and the serving image.

        Args:
            role: Execution role; None: the job's.
            image_uri: Serving image; None: Settings', else the one that push.sh pushed last.
            predictor_cls: Class of the predictor; None: `Predictor`.
            vpc_config_override: As in the SDK.
            model_arguments: Further arguments of `Model`.
        """
        isolated = model_arguments.pop("enable_network_isolation", None)
        return Model(
            model_data=self.model_data,
            role=role or self.role,
            image_uri=image_uri,
            predictor_cls=predictor_cls or Predictor,
            vpc_config=self.get_vpc_config(vpc_config_override),
            enable_network_isolation=self._enable_network_isolation if isolated is None else isolated,
            sagemaker_session=self.sagemaker_session,
            **model_arguments,
        )

    def deploy(
        self, initial_instance_count: int | None = None, instance_type: str | None = None, **arguments: Any
    ) -> Predictor:
        """Deploy the trained model.

        Args:
            initial_instance_count, instance_type: As for `Model.deploy`.
            arguments: Others of `Model.deploy` and of `create_model`, such as image_uri, role, env, model_name.

        Raises:
            SettingError: There is no trained model yet, or no instance type.
            ServiceError: AWS refuses.
        """
        of_deploy = {"tags": self.tags, **take_known("deploy", arguments, (Model, "deploy"), *_OF_MODELS)}
        if initial_instance_count is not None:
            of_deploy["initial_instance_count"] = initial_instance_count
        return self._trained_model(arguments).deploy(instance_type=instance_type, **of_deploy)

    def transformer(
        self, instance_count: int | None = None, instance_type: str | None = None, **arguments: Any
    ) -> Transformer:
        """Create the trained model in SageMaker, and a `Transformer` for it.

        Args:
            instance_count, instance_type: As for `Transformer`; None: 1 instance.
            arguments: Further arguments of `Transformer` and, as for `deploy`, of `create_model`.

        Raises:
            SettingError, ServiceError: As for `deploy`.
        """
        of_jobs = {"tags": self.tags, **take_known("transformer", arguments, (Transformer, "__init__"), *_OF_MODELS)}
        of_jobs["instance_count"] = instance_count or 1
        return Transformer.from_model(self._trained_model(arguments), instance_type, **of_jobs)

    def _trained_model(self, arguments: dict[str, Any]) -> Model:
        if self.latest_training_job is None:
            raise SettingError("there is no trained model yet; call fit() first, or Estimator.attach(job)")
        if "model_name" in arguments:
            arguments["name"] = arguments.pop("model_name")
        return self.create_model(**arguments)
