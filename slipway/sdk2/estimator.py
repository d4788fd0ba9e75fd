"""A training job on SageMaker, or in the SDK's local mode: the SDK's Estimator with Slipway's image and checks."""

from collections.abc import Callable, Mapping
from typing import Any, Self

from sagemaker.debugger import ProfilerRule, RuleBase
from sagemaker.debugger import Rule as TensorRule
from sagemaker.estimator import Estimator as SdkEstimator
from sagemaker.session import Session
from sagemaker.workflow.pipeline_context import PipelineSession

from container.contract.debugger_defaults import hook_parameters
from container.contract.hyperparameters import TrainConfig
from slipway.aws.refusals import explained
from slipway.aws.session import session_for
from slipway.aws.training_job import finished_job
from slipway.checks.arguments import refuse_unknown
from slipway.checks.inputs import Inputs
from slipway.local.sdk_local_mode import local_job
from slipway.requests.names import base_name
from slipway.sdk2.values import board, hook, rule, to_sdk, training_input
from slipway.settings.slipway_toml import Settings
from slipway.training.attached_job import arguments_of
from slipway.training.debugger_request import (
    asked_hook,
    check_profiler,
    check_region,
    default_collections,
    refuse_in_local_mode,
)
from slipway.training.debugger_rules import Rules, as_rules
from slipway.training.estimator_base import EstimatorBase
from slipway.training.trained_model import TrainedModel


class Estimator(TrainedModel, EstimatorBase, SdkEstimator):  # type: ignore[misc]  # the SDK has no types
    """The SDK's Estimator (version 2), with the arguments of `slipway.training.estimator.Estimator` and of the SDK's.

    Where those take mappings in the form of AWS's API, the SDK's objects are taken too.
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
        sagemaker_session: Session | None = None,
        **sdk_arguments: Any,
    ) -> None:
        refuse_unknown("Estimator", sdk_arguments, (Estimator, "__init__"))
        found = self._complete(
            {
                "role": role,
                "instance_type": instance_type,
                "instance_count": instance_count,
                "image_uri": image_uri,
                "sagemaker_session": sagemaker_session,
                **sdk_arguments,
            },
            hyperparameters,
            debug=debug is True,
            profile=profile,
            spot=spot,
            tensorboard=tensorboard,
            bucket=bucket,
            region=region,
        )
        asked = asked_hook(debug, found.get("debugger_hook_config"))
        everything = debug is True or asked is True
        everything = everything or (not self.own_script and TrainConfig.from_strings(found["hyperparameters"]).debug)
        self._own_hook = not asked or asked is True
        # Not None, for which the SDK would save tensors without being asked.
        given = to_sdk({**found, "debugger_hook_config": False if self._own_hook else asked})
        attached = [rule(one) for one in as_rules(rules, RuleBase)]
        super().__init__(rules=attached or None, **given)
        if self.is_local:
            refuse_in_local_mode(attached, hook=not self._own_hook)
        self._debug(everything)
        config: Any = self.profiler_config
        off = bool(self.disable_profiler or (config and config.disable_profiler))
        self._measured = bool(sdk_arguments.get("disable_profiler") or config)
        check_profiler(
            [one.name for one in attached if isinstance(one, ProfilerRule)],
            configured=config is not None and not config.disable_profiler,
            disabled=off,
        )

    def _debug(self, everything: bool) -> None:
        if self.is_local:
            return
        rules: list[Any] = self.rules or []
        if self._own_hook:
            self.debugger_hook_config: Any = False
            if everything or any(isinstance(one, TensorRule) for one in rules):
                saved = [
                    {"CollectionName": name, "CollectionParameters": dict(given) or None}
                    for name, given in default_collections(everything=everything).items()
                ]
                parameters = {"HookParameters": hook_parameters(), "CollectionConfigurations": saved}
                self.debugger_hook_config = hook(parameters)
        check_region(self.sagemaker_session.boto_region_name, [self.debugger_hook_config, *rules])

    @property
    def asks_for_debugger(self) -> bool:
        """Whether jobs have SageMaker's Debugger or rules."""
        return bool(self.debugger_hook_config or self.rules)

    @staticmethod
    def _model_class() -> Any:
        import slipway

        return slipway.Model

    @staticmethod
    def _transformer_class() -> Any:
        import slipway

        return slipway.Transformer

    @staticmethod
    def _session(instance_type: str | None, region: str, profile: str | None) -> Session:
        return session_for(instance_type, region=region, profile=profile)

    def _board(self, configuration: Mapping[str, str]) -> Any:
        return board(configuration)

    def _prepare_collection_configs(self) -> None:
        # Where a rule and the hook configure one collection, the SDK sends both, in no order. The user's hook
        # configuration wins, then the last rule, then the default.
        of_rules = [collection for one in self.debugger_rules or () for collection in one.collection_configs]
        of_hook = (self.debugger_hook_config.collection_configs or ()) if self.debugger_hook_config else ()
        ordered = [*of_hook, *of_rules] if self._own_hook else [*of_rules, *of_hook]
        self.collection_configs = list({collection.name: collection for collection in ordered}.values())

    def _prepare_profiler_for_training(self) -> None:
        if self._measured or self.profiler_rules:
            super()._prepare_profiler_for_training()
        else:
            # The SDK would ask for measurements, which AWS may refuse a new customer.
            self.profiler_config: Any = None
            self.profiler_rule_configs: list[Any] = []

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
            inputs: Channels by name (train, validation, test, weights), or the train channel alone: an S3 address,
                in local mode also a folder, or the SDK's TrainingInput.
            wait: Wait until the job ends, and show its log. Local mode always waits.
            logs: Which logs to show: "All", "Training" or True; "None" or False for none.
            job_name: Name of the job; None: base_job_name and the time.
            experiment_config: As in the SDK.
            show: Called with each line of the log; None: print it.

        Returns:
            With a PipelineSession, the arguments of a TrainingStep; else None.

        Raises:
            UserError: As for `slipway.training.estimator.Estimator.fit`.
        """
        job = job_name or self.new_job_name()
        channels = self.prepare_inputs(inputs, job)
        if self.is_local:
            with local_job(self.sagemaker_session, job, str(self.output_path or ""), show):
                super().fit(channels, wait=wait, logs=logs, job_name=job)
            return None
        with explained("starting the training job"):
            step = super().fit(channels, wait=False, logs=False, job_name=job, experiment_config=experiment_config)
        if wait and step is None:
            self.wait(show or print if logs not in (False, "None", "Rules") else None)
        return step

    def _check_places(self, channels: Mapping[str, Any]) -> None:
        # A pipeline's places may be variables, and need not be there yet.
        if not isinstance(self.sagemaker_session, PipelineSession):
            super()._check_places(channels)

    def prepare_inputs(self, inputs: Inputs, job: str) -> dict[str, Any]:
        """Prepare a job as `slipway.training.estimator.Estimator` does; the inputs are in the SDK's form."""
        return {name: training_input(value) for name, value in super().prepare_inputs(inputs, job).items()}

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
        # The SDK's own forgets metrics, the volumes' key, spot, TensorBoard, the debugger and instance groups.
        base = base_name(str(job_details.get("TrainingJobName") or "slipway"))
        return {**arguments_of(job_details), "base_job_name": base}
