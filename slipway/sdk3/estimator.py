"""Version 3 of the SDK: Estimator, with a ModelTrainer of the same definition."""

from typing import Any

from sagemaker.core.helper.session_helper import Session
from sagemaker.core.utils.code_injection.codec import transform
from sagemaker.train import ModelTrainer
from sagemaker.train import configs as sdk
from sagemaker.train.model_trainer import Mode

from slipway.aws.session import SDK_SETTINGS
from slipway.checks.inputs import Inputs
from slipway.errors import SettingError
from slipway.sdk3.model import Model
from slipway.sdk3.transformer import Transformer
from slipway.training import estimator

_LOCAL = {"local": "local_cpu", "local_gpu": "local_gpu"}
# What a request may have and a ModelTrainer has not.
_NO_PLACE = (
    "debug_hook_config",
    "debug_rule_configurations",
    "profiler_config",
    "profiler_rule_configurations",
    "experiment_config",
)


class Estimator(estimator.Estimator):
    """A training job: `slipway.estimator.Estimator` has the arguments."""

    _model_class = staticmethod(lambda: Model)
    _transformer_class = staticmethod(lambda: Transformer)

    # Looked for by version 3's TrainingStep; a script is a part of the request already.
    source_code = None

    @property
    def trainer(self) -> ModelTrainer:
        """A ModelTrainer with these settings and without inputs, for version 3's pipelines and its own local mode.

        Raises:
            SettingError: As for `to_trainer`.
        """
        return self.to_trainer()

    def to_trainer(self, inputs: Inputs = None, *, session: Any = None) -> ModelTrainer:
        """Return a ModelTrainer with these settings.

        Args:
            inputs: As for `fit`; None: give them to its train().
            session: A session of the SDK, such as a PipelineSession; None: one with this Estimator's credentials.

        Raises:
            SettingError: The settings have what a ModelTrainer has not, or an input cannot be one.
        """
        job = self.new_job_name()
        channels = {} if inputs is None else self.prepare_inputs(inputs, job)
        request = self.definition(job, channels).request()
        found = transform(request, "CreateTrainingJobRequest")
        if asked := [name for name in _NO_PLACE if name in found]:
            raise SettingError(f"version 3's ModelTrainer has no place for {asked[0]}; start the job with fit()")
        algorithm = found["algorithm_specification"]
        place = {"local_container_root": str(self.output_path).removeprefix("file://")} if self.output_path else {}
        trainer = ModelTrainer(
            training_mode=Mode.LOCAL_CONTAINER if self.is_local else Mode.SAGEMAKER_TRAINING_JOB,
            sagemaker_session=None if self.is_local else session or self._session_of_the_sdk(),
            role=found["role_arn"],
            base_job_name=str(self.base_job_name),
            training_image=algorithm["training_image"],
            training_input_mode=algorithm["training_input_mode"],
            compute=self._compute(found),
            networking=sdk.Networking(
                **found.get("vpc_config", {}),
                enable_network_isolation=found.get("enable_network_isolation"),
                enable_inter_container_traffic_encryption=found.get("enable_inter_container_traffic_encryption"),
            ),
            stopping_condition=sdk.StoppingCondition(**found["stopping_condition"]),
            output_data_config=sdk.OutputDataConfig(**found["output_data_config"]) if self.output_path else None,
            checkpoint_config=_optional(sdk.CheckpointConfig, found.get("checkpoint_config")),
            input_data_config=[sdk.Channel(**channel) for channel in found.get("input_data_config", ())] or None,
            environment=found.get("environment", {}),
            hyperparameters=dict(found.get("hyper_parameters", {})),
            tags=[sdk.Tag(**tag) for tag in found["tags"]],
            **(place if self.is_local else {}),
        )
        trainer._metric_definitions = [sdk.MetricDefinition(**one) for one in algorithm.get("metric_definitions", ())]
        trainer._tensorboard_output_config = _optional(
            sdk.TensorBoardOutputConfig, found.get("tensor_board_output_config")
        )
        trainer._retry_strategy = _optional(sdk.RetryStrategy, found.get("retry_strategy"))
        return trainer

    def _compute(self, found: dict[str, Any]) -> sdk.Compute:
        resources = dict(found["resource_config"])
        if self.is_local:
            resources["instance_type"] = _LOCAL[str(self.instance_type)]
        return sdk.Compute(**resources, enable_managed_spot_training=found.get("enable_managed_spot_training"))

    def _session_of_the_sdk(self) -> Session:
        return Session(boto_session=self.sagemaker_session.boto_session, sagemaker_config=SDK_SETTINGS)


def _optional(kind: Any, values: Any) -> Any:
    return None if values is None else kind(**values)
