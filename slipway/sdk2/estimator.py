"""Version 2 of the SDK: its Estimator, with Slipway's definition of a job and checks."""

from collections.abc import Mapping
from typing import Any

from sagemaker.estimator import Estimator as SdkEstimator
from sagemaker.estimator import _TrainingJob
from sagemaker.git_utils import git_clone_repo

from slipway.checks.arguments import known_arguments
from slipway.checks.inputs import Inputs
from slipway.local.client import LocalSageMaker
from slipway.requests.training_job import TrainingJobRequest
from slipway.sdk2.model import Model
from slipway.sdk2.rules import SdkRule, with_sdk_rules
from slipway.sdk2.session import session_for
from slipway.sdk2.transformer import Transformer
from slipway.training import estimator


class Estimator(estimator.Estimator, SdkEstimator):  # type: ignore[misc]  # the SDK has no types
    """The SDK's Estimator: `slipway.estimator.Estimator` has the arguments, and the SDK's others still work.

    Where those take mappings in the form of AWS's API, the SDK's objects are taken too.
    """

    _session = staticmethod(session_for)
    _model_class = staticmethod(lambda: Model)
    _transformer_class = staticmethod(lambda: Transformer)

    def __init__(
        self,
        *arguments: Any,
        git_config: Mapping[str, str] | None = None,
        model_uri: str | None = None,
        model_channel_name: str = "model",
        rules: Any = None,
        **named: Any,
    ) -> None:
        if git_config:
            script = {name: named.get(name) for name in ("entry_point", "source_dir", "dependencies")}
            named |= git_clone_repo(git_config, **script)
        super().__init__(*arguments, rules=with_sdk_rules(rules), **named)
        own = self.__dict__.copy()
        given = {
            name: own[name] for name in known_arguments(SdkEstimator, "__init__") - {"instance_groups"} & own.keys()
        }
        SdkEstimator.__init__(self, **given, model_uri=model_uri, model_channel_name=model_channel_name)
        self.__dict__.update(own)

    def prepare_inputs(self, inputs: Inputs, job: str) -> dict[str, Any]:
        """Prepare a job as `slipway.estimator.Estimator.prepare_inputs` does."""
        channels = super().prepare_inputs(inputs, job)
        if self.model_uri:
            channels[self.model_channel_name] = self.model_uri
        return channels

    def definition(self, *arguments: Any, **named: Any) -> TrainingJobRequest:
        """Return the definition of a job, as `slipway.estimator.Estimator.definition` does."""
        for one in self.rules:
            if isinstance(one, SdkRule):
                self._set_default_rule_config(one.rule)
                self._set_source_s3_uri(one.rule)
        return super().definition(*arguments, **named)

    def fit(self, inputs: Inputs = None, *arguments: Any, **named: Any) -> Any:
        """Start a job as `slipway.estimator.Estimator.fit` does, or by the SDK with a session of its own local mode."""
        session = self.sagemaker_session
        if not self.is_local or isinstance(session.sagemaker_client, LocalSageMaker):
            return super().fit(inputs, *arguments, **named)
        SdkEstimator.fit(self, self.prepare_inputs(inputs, ""), *arguments, **named)
        self.output_path = SdkEstimator.model_data.fget(self).rpartition("/")[0]
        return None

    def _remember(self, job: str, arn: str = "") -> None:
        self.latest_training_job = _TrainingJob(self.sagemaker_session, job)
        self.jobs.append(self.latest_training_job)

    def latest_job_debugger_artifacts_path(self) -> str | None:
        """Return the S3 address of the latest job's tensors; None if it saves none."""
        outputs = self.debugger_outputs()
        return outputs.tensors if outputs else None

    def latest_job_profiler_artifacts_path(self) -> str | None:
        """Return the S3 address of the latest job's measurements; None if it takes none."""
        outputs = self.debugger_outputs()
        return outputs.profiler if outputs else None

    def latest_job_tensorboard_artifacts_path(self) -> str | None:
        """Return the S3 address of the latest job's event files; None if it writes none."""
        board = (self._description() or {}).get("TensorBoardOutputConfig")
        return f"{board['S3OutputPath']}/{self.job_name}/tensorboard-output" if board else None
