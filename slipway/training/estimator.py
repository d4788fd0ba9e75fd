"""A training job on SageMaker, without an SDK."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from slipway.aws.connection import Aws
from slipway.aws.refusals import explained
from slipway.aws.session import AnySession, AwsSession, is_local
from slipway.aws.training_job import finished_job, model_address
from slipway.checks.arguments import refuse_unknown
from slipway.checks.inputs import Inputs
from slipway.errors import RemoteJobError, SettingError
from slipway.requests.channels import channel
from slipway.requests.names import base_name
from slipway.requests.pipelines import in_pipeline, is_variable, step_arguments
from slipway.requests.training_job import TrainingJobRequest
from slipway.requests.values import api_value
from slipway.settings.slipway_toml import Settings
from slipway.training.attached_job import arguments_of
from slipway.training.debugger_request import (
    asked_hook,
    check_profiler,
    check_region,
    debugger_members,
    refuse_in_local_mode,
)
from slipway.training.debugger_rules import Rules, as_rules, on_tensors, rule_name
from slipway.training.estimator_base import EstimatorBase, checked
from slipway.training.script import SCRIPT_ARGUMENTS, Script
from slipway.training.trained_model import TrainedModel

_DEBUGGER_ARGUMENTS = ("debugger_hook_config", "profiler_config", "disable_profiler")
_OF_THE_REQUEST = {
    field.name: None if field.default is dataclasses.MISSING else field.default
    for field in dataclasses.fields(TrainingJobRequest)
    if field.name not in ("job_name", "channels", "hyperparameters", "experiment_config", "debugger")
    and field.name != "enable_network_isolation"  # a method of that name, as with version 2 of the SDK, tells
}
_FURTHER = {*_OF_THE_REQUEST, "enable_network_isolation", *SCRIPT_ARGUMENTS, *_DEBUGGER_ARGUMENTS, "base_job_name"}


@dataclass(frozen=True)
class StartedJob:
    """A training job that was started or attached to."""

    name: str
    arn: str = ""


class Estimator(TrainedModel, EstimatorBase):
    """A training job on SageMaker, and the jobs that are started with the same settings.

    Args:
        role: ARN of the execution role; None: SLIPWAY_ROLE or slipway.toml's. Not needed in local mode.
        instance_type: Such as ml.g4dn.xlarge; `local` or `local_gpu` is local mode, with Docker.
        instance_count: The image distributes the training over several instances, and over the GPUs of each, by itself.
        image_uri: Address or tag of the training image; None: Settings', else what push.sh pushed last.
        hyperparameters: Values by the names in the README's table, checked at once. With `entry_point`, the script's.
        debug: Sets the hyperparameter of that name, and SageMaker brings the tensors to <output>/<job>/debug-output,
            where its rules read them; a DebugHookConfig of the API says which tensors. docs/sagemaker.md has more.
        rules: SageMaker's rules to attach: names such as VanishingGradient or LowGPUUtilization, and rule
            configurations of the API. Rules on tensors save what they need. Not in local mode.
        profile: The image's own profiler; False sets that hyperparameter. SageMaker's is asked for by profiler_config.
        spot: Managed spot training with checkpoints at <output>/<job>/checkpoints, so that an interruption costs
            little. The job may take twice `max_run`, including the wait for instances; `max_wait` changes that.
        tensorboard: Event files for TensorBoard; SageMaker puts them at <output>/<job>/tensorboard-output.
        bucket: Bucket for outputs, below jobs/; None: Settings', else that of the train channel. Not in local mode.
        region: AWS region; None: Settings', AWS_REGION, else the profile's.
        sagemaker_session: Session to use instead of one for the region.
        further: Arguments with the names of version 2 of the SDK, such as subnets, volume_kms_key, tags, max_run,
            keep_alive_period_in_seconds (warm pools), enable_network_isolation, entry_point and source_dir. What is an
            object there is a mapping in the form of AWS's API here.

    Raises:
        TypeError, HyperparameterError: An argument or a hyperparameter is unknown, or the latter is out of range.
        SettingError: The instance type or the role is missing or invalid, or no image was pushed and none is named;
            there is no such rule, or there are too many.
    """

    def __init__(
        self,
        role: str | None = None,
        instance_type: str | None = None,
        instance_count: int | None = 1,
        image_uri: str | None = None,
        hyperparameters: Mapping[str, object] | None = None,
        *,
        debug: bool | Any = False,
        rules: Rules | None = None,
        profile: bool = True,
        spot: bool = False,
        tensorboard: bool = False,
        bucket: str | None = None,
        region: str | None = None,
        sagemaker_session: AnySession | None = None,
        **further: Any,
    ) -> None:
        refuse_unknown("Estimator", further, (Estimator, "__init__"), also=_FURTHER)
        found = self._complete(
            {
                "role": role,
                "instance_type": instance_type,
                "instance_count": instance_count,
                "image_uri": image_uri,
                "sagemaker_session": sagemaker_session,
                **further,
            },
            hyperparameters,
            debug=debug is True,
            profile=profile,
            spot=spot,
            tensorboard=tensorboard,
            bucket=bucket,
            region=region,
        )
        self.latest_training_job: StartedJob | None = None
        self._folder_of_job = False  # in local mode, whether the user has named no output path
        self._script = Script(**{name: found.pop(name) for name in SCRIPT_ARGUMENTS if name in found})
        self._hyperparameters = found.pop("hyperparameters")
        self._enable_network_isolation = bool(found.pop("enable_network_isolation", False))
        debugger = {name: found.pop(name, None) for name in _DEBUGGER_ARGUMENTS}
        given = {name: api_value(value) for name, value in found.items() if value is not None}
        if groups := given.get("instance_groups"):
            given["instance_groups"] = [api_value(group) for group in groups]
        # Read and changed by the names of the arguments, as with version 2 of the SDK.
        vars(self).update({**_OF_THE_REQUEST, **given})
        self._take_debugger(debug, rules, debugger)

    def _take_debugger(self, debug: Any, rules: Rules | None, given: Mapping[str, Any]) -> None:
        hook = asked_hook(debug, given["debugger_hook_config"])
        self.debugger_hook_config = api_value(hook) if hook and hook is not True else None
        self.rules = as_rules(rules)
        self.profiler_config = api_value(given["profiler_config"])
        self.disable_profiler = bool(given["disable_profiler"])
        of_the_job = not self.own_script and checked(self._hyperparameters).debug
        if self.is_local:
            refuse_in_local_mode(self.rules, hook=self.debugger_hook_config is not None)
        self._debug(everything=debug is True or hook is True or of_the_job)
        off = bool(self.profiler_config and self.profiler_config.get("DisableProfiler"))
        check_profiler(
            [rule_name(rule) for rule in self.rules if not on_tensors(rule)],
            configured=bool(self.profiler_config) and not off,
            disabled=self.disable_profiler or off,
        )

    def _debug(self, everything: bool) -> None:
        self._everything = everything
        if not self.is_local:
            check_region(self.sagemaker_session.boto_region_name, [everything, self.debugger_hook_config, *self.rules])

    @property
    def asks_for_debugger(self) -> bool:
        """Whether jobs have SageMaker's Debugger or rules."""
        return bool(self._everything or self.debugger_hook_config or self.rules)

    @staticmethod
    def _session(instance_type: str | None, region: str | None, profile: str | None) -> AnySession:
        if is_local(instance_type):
            from slipway.local.session import local_session  # only here, with the Docker SDK

            return local_session()
        return AwsSession(Aws(region, profile))

    def hyperparameters(self) -> dict[str, Any]:
        """Return the hyperparameters, by the names in the README's table."""
        return self._hyperparameters

    def enable_network_isolation(self) -> bool:
        """Whether the containers run without network access."""
        return bool(self._enable_network_isolation)

    def get_vpc_config(self, vpc_config_override: Any = "VPC_CONFIG_DEFAULT") -> Any:
        """Return the job's VPC in the form of AWS's API, or the override if one is given."""
        if vpc_config_override != "VPC_CONFIG_DEFAULT":
            return vpc_config_override
        return self.definition("", {}, staged=False).vpc()

    @property
    def model_data(self) -> str:
        """Address of the latest job's model.tar.gz, in local mode a file:// address.

        Raises:
            SettingError: There is no job yet.
            ServiceError: AWS refuses.
        """
        if self.is_local and self.latest_training_job is not None:
            return f"{self.output_path}/model.tar.gz"
        description = self._description()
        if description is None:
            raise SettingError("there is no trained model yet; call fit() first, or Estimator.attach(job)")
        return model_address(description) or f"{self.output_path}/{self.job_name}/output/model.tar.gz"

    def definition(
        self, job: str, channels: Mapping[str, Any], experiment: Mapping[str, str] | None = None, *, staged: bool = True
    ) -> TrainingJobRequest:
        """Return the definition of a job.

        Args:
            job: Its name.
            channels: From `prepare_inputs`.
            experiment: The experiment that it belongs to, as for `fit`.
            staged: Whether to upload the user's script.

        Raises:
            UserError: The script cannot be uploaded.
        """
        own: dict[str, Any] = {name: getattr(self, name) for name in _OF_THE_REQUEST}
        own["output_path"] = str(self.output_path or "")
        code: dict[str, str] = {}
        found: Mapping[str, Any] = {}
        if self._script.given and staged:
            code, found = self._script.stage(
                self.sagemaker_session,
                job,
                own["output_path"],
                own["output_kms_key"],
                isolated=self._enable_network_isolation,
            )
        return TrainingJobRequest(
            **own,
            job_name=job,
            enable_network_isolation=self._enable_network_isolation,
            channels=[channel(name, value) for name, value in {**channels, **found}.items()],
            hyperparameters={**{name: _as_sent(value) for name, value in self._hyperparameters.items()}, **code},
            experiment_config=experiment,
            debugger={}
            if self.is_local
            else debugger_members(
                self.rules,
                self.debugger_hook_config,
                self.profiler_config,
                everything=self._everything,
                profiler_off=self.disable_profiler,
                region=self.sagemaker_session.boto_region_name,
                job=job,
                output_path=own["output_path"],
            ),
        )

    def fit(
        self,
        inputs: Inputs = None,
        wait: bool = True,
        logs: str | bool = "All",
        job_name: str | None = None,
        experiment_config: Mapping[str, str] | None = None,
        *,
        show: Callable[[str], None] | None = None,
    ) -> Any:
        """Check everything that can be checked, start the job, and wait for it.

        Args:
            inputs: Channels by name (train, validation, test, weights), or the train channel alone: an S3 address, in
                local mode also a folder, a channel in the form of AWS's API, or an SDK's TrainingInput.
            wait: Wait until the job ends, and show its log. Local mode always waits.
            logs: Which logs to show: "All", "Training" or True; "None" or False for none.
            job_name: Name of the job; None: base_job_name and the time.
            experiment_config: The experiment that the job belongs to: ExperimentName, TrialName,
                TrialComponentDisplayName, RunName.
            show: Called with each line of the log; None: print it.

        Returns:
            With a PipelineSession of either SDK, the arguments of a TrainingStep; else None.

        Raises:
            SettingError: A channel is misnamed or missing, or a folder where S3 is needed; or the request has a value
                that SageMaker would refuse.
            ServiceError: AWS refuses: credentials, permissions, quota, no such image or bucket; nothing was started.
            RemoteJobError: The job failed or was stopped; the message has its reason.
        """
        job = job_name or self.new_job_name()
        channels = self.prepare_inputs(inputs, job)
        if self.is_local:
            self._run_here(job, channels, show or print)
            return None
        request = self.definition(job, channels, experiment_config).request()
        if in_pipeline(self.sagemaker_session):
            return step_arguments(self, "train", request)
        with explained("starting the training job"):
            answer = self.sagemaker_session.sagemaker_client.create_training_job(**request)
        self._remember(job, answer["TrainingJobArn"])
        if wait:
            self.wait(show or print if logs not in (False, "None", "Rules") else None)
        return None

    def _run_here(self, job: str, channels: Mapping[str, Any], show: Callable[[str], None]) -> None:
        from slipway.local import train  # only here, with the Docker SDK

        if self._folder_of_job or self.output_path is None:
            self._folder_of_job, self.output_path = True, Path("slipway-jobs", job).resolve().as_uri()
        trained = train(self.definition(job, channels).request(), show)
        if trained.stopped and trained.model is None:
            raise RemoteJobError(f"the training job {job} was stopped before it had a model")
        self._remember(job)

    def _remember(self, job: str, arn: str = "") -> None:
        """Keep the job that was started or attached to as the latest."""
        self.latest_training_job = StartedJob(job, arn)

    def logs(self) -> None:
        """Print the log of the latest job until it has ended.

        Raises:
            RemoteJobError, ServiceError: As for `wait`.
        """
        self.wait(print)

    @classmethod
    def attach(
        cls,
        training_job_name: str,
        sagemaker_session: AnySession | None = None,
        *,
        region: str | None = None,
    ) -> Self:
        """Build an Estimator with a job's settings, including spot and metrics; wait for the job if it is running.

        Raises:
            ServiceError: There is no such job, or AWS refuses.
            RemoteJobError: The job failed, or was stopped and left no model.
        """
        settings = Settings.read()
        session = sagemaker_session or cls._session(None, region or settings.region, settings.profile)
        description = finished_job(session, training_job_name, accept_stopped=True)
        with explained(f"attaching to the training job {training_job_name}"):
            tags = session.sagemaker_client.list_tags(ResourceArn=description["TrainingJobArn"])["Tags"]
        base = base_name(training_job_name)
        attached = cls(**arguments_of(description), base_job_name=base, tags=tags, sagemaker_session=session)
        attached._remember(training_job_name)
        return attached


def _as_sent(value: Any) -> Any:
    return value if is_variable(value) else str(value)
