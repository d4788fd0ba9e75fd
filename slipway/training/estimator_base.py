"""What an `Estimator` does alike with an SDK and without: its arguments, the checks before a job, a job's results.

The classes for each SDK say how the request is composed and sent.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from container.contract.hyperparameters import TrainConfig
from slipway.aws.refusals import explained
from slipway.aws.session import LOCAL_ROLE, is_local
from slipway.aws.tags import with_own_tag
from slipway.aws.training_job import Cost, cost_of, finished_job
from slipway.checks.bucket import output_bucket
from slipway.checks.inputs import Inputs, as_channels, check_channels
from slipway.checks.instance_type import check_instance_type
from slipway.checks.request import check_image, check_role
from slipway.errors import SettingError
from slipway.hosts.fit import choose_ami, image_for
from slipway.installed_sdk import OnVersion3
from slipway.requests.missing import Missing
from slipway.requests.names import new_name
from slipway.requests.pipelines import in_pipeline, is_variable
from slipway.settings.pushed_images import resolve_image
from slipway.settings.slipway_toml import Settings
from slipway.training.attached_job import CHECKPOINTS
from slipway.training.job_definition import board_below, has_script, python_names, spot_arguments, with_own_metrics
from slipway.training.rule_evaluations import DebuggerOutputs, RuleEvaluation, evaluations_of, outputs_of


class EstimatorBase(OnVersion3):
    """The shared part of both Estimators."""

    if TYPE_CHECKING:
        sagemaker_session: Any
        image_uri: Any
        instance_type: Any
        output_path: Any
        base_job_name: Any
        latest_training_job: Any
        own_script: bool  # whether the image runs a script of the user's
        _hyperparameters: dict[str, Any]

    def _complete(
        self,
        given: Mapping[str, Any],
        hyperparameters: Mapping[str, object] | None,
        *,
        debug: bool,
        profile: bool,
        spot: bool,
        tensorboard: bool,
        bucket: str | None,
        region: str | None,
    ) -> dict[str, Any]:
        """Check and complete the arguments, in the SDK's names.

        Args:
            given: Those that an SDK has too: role, instance_type, instance_count, image_uri, sagemaker_session, ….
            hyperparameters: As the user gives them.
            debug: Whether the debugger is asked for.
            profile: As for `Estimator`, like the others.
        """
        settings = Settings.read()
        found, values = dict(given), dict(hyperparameters or {})
        self.own_script = has_script(values, found)
        if self.own_script:
            found.setdefault("base_job_name", "slipway-script")
        else:
            asked = {**({"debug": True} if debug else {}), **({} if profile else {"profile": False})}
            values = python_names({**asked, **values})
            found.setdefault("base_job_name", f"slipway-{checked(values).slug}")
        if found.get("instance_groups"):
            found |= {"instance_type": None, "instance_count": None}
        else:
            found["instance_type"] = check_instance_type(found["instance_type"], "training")
        local = is_local(found["instance_type"])
        if spot:
            found |= spot_arguments(found, local=local)
        if bool(found.get("subnets")) != bool(found.get("security_group_ids")):
            raise SettingError("a VPC needs both subnets and security groups; give the other one too, or neither")
        # The user's arguments win.
        self._spot = spot and not found.get("checkpoint_s3_uri")
        self._tensorboard = tensorboard and not found.get("tensorboard_output_config")
        self._bucket = bucket or settings.bucket
        missing = Missing(dry_run=False)
        session = found["sagemaker_session"] or self._session(
            found["instance_type"], "" if local else missing.region(region, settings.profile), settings.profile
        )
        if local:
            image, role = resolve_image("train", found["image_uri"], session), found["role"] or LOCAL_ROLE
        else:
            role = missing.role(found["role"])
            named, of_type = found["image_uri"], found["instance_type"]
            place = session.boto_region_name
            image = missing.image("train", image_for("train", named, place, "training", of_type), place)
            missing.require()
            check_role(role)
            choose_ami("training", of_type, image)  # refuses GPUs that the image has no code for
        return {
            **found,
            "role": role,
            "image_uri": image,
            "hyperparameters": values,
            "sagemaker_session": session,
            "metric_definitions": with_own_metrics(found.get("metric_definitions"), own_script=self.own_script),
            "tags": with_own_tag(found.get("tags")),
        }

    @staticmethod
    def _session(instance_type: str | None, region: str | None, profile: str | None) -> Any:
        """Create a session; the region does not matter to local mode."""
        raise NotImplementedError

    def _debug(self, everything: bool) -> None:
        """Save tensors as `debug` asks for."""
        raise NotImplementedError

    def _board(self, configuration: Mapping[str, str]) -> Any:
        """Return TensorBoard's configuration as the class keeps it."""
        return configuration

    def set_hyperparameters(self, **hyperparameters: object) -> None:
        """Add hyperparameters; `_` may stand for `-`.

        Raises:
            HyperparameterError: One is unknown or out of range.
        """
        if self.own_script:
            self._hyperparameters.update(hyperparameters)
            return
        given = python_names(hyperparameters)
        config = checked({**self._hyperparameters, **given})
        self._hyperparameters.update(given)
        self._debug(config.debug)

    def new_job_name(self) -> str:
        """Build a job name from base_job_name and the time."""
        return new_name(str(self.base_job_name))

    def prepare_inputs(self, inputs: Inputs, job: str) -> dict[str, Any]:
        """Prepare a job as `fit` does before it starts one: choose the output paths, check the channels and the image.

        Args:
            inputs: As for `fit`.
            job: Name of the training or tuning job.

        Returns:
            Inputs by channel: an address, or as the user gave it.

        Raises:
            UserError: As for `fit`.
        """
        channels = as_channels(inputs, local=self.is_local, own_script=self.own_script)
        if self.is_local:
            return channels
        if self.output_path is None:
            self.output_path = f"s3://{output_bucket(self._bucket, channels)}/jobs"
        base = str(self.output_path).rstrip("/")
        # A later job of this Estimator must not resume from this one's checkpoints.
        if self._spot:
            self.checkpoint_s3_uri = f"{base}/{job}/{CHECKPOINTS}"
            self.checkpoint_local_path = "/opt/ml/checkpoints"
        if self._tensorboard:
            self.tensorboard_output_config = self._board(board_below(base))
        self._check_places(channels)
        return channels

    def _check_places(self, channels: Mapping[str, Any]) -> None:
        # A pipeline's need not be there yet.
        if in_pipeline(self.sagemaker_session):
            return
        check_image(self.sagemaker_session, str(self.image_uri))
        check_channels(self.sagemaker_session, channels)

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

    @property
    def is_local(self) -> bool:
        """Whether jobs run in local mode."""
        return is_local(self.instance_type)

    @property
    def job_name(self) -> str | None:
        """Name of the latest job; None before the first."""
        return None if self.latest_training_job is None else str(self.latest_training_job.name)

    @property
    def cost(self) -> Cost | None:
        """Billable time of the latest job; None in local mode, and before the job has started.

        Raises:
            ServiceError: AWS refuses.
        """
        description = self._description()
        return None if description is None else cost_of(description)

    def rule_summary(self) -> tuple[RuleEvaluation, ...]:
        """Look up the state of each rule's evaluation for the latest job; rules run on for a while after the job.

        Raises:
            ServiceError: AWS refuses.
        """
        description = self._description()
        return () if description is None else evaluations_of(description)

    def debugger_outputs(self) -> DebuggerOutputs | None:
        """Look up the addresses of the latest job's tensors and measurements; None in local mode, or without a job.

        Raises:
            ServiceError: AWS refuses.
        """
        description = self._description()
        return None if description is None else outputs_of(description)

    def _description(self) -> Mapping[str, Any] | None:
        if self.is_local or self.job_name is None:
            return None
        with explained("looking at the training job"):
            client = self.sagemaker_session.sagemaker_client
            found: Mapping[str, Any] = client.describe_training_job(TrainingJobName=self.job_name)
            return found


def checked(hyperparameters: Mapping[str, Any]) -> TrainConfig:
    """Check the hyperparameters; a pipeline's parameters among them have no values yet, and are checked by the job.

    Raises:
        HyperparameterError: One is unknown or out of range.
    """
    return TrainConfig.from_strings({name: value for name, value in hyperparameters.items() if not is_variable(value)})
