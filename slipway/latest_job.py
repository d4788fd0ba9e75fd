"""What an Estimator tells of its latest job: its name, what it cost, what the rules found, where the tensors are."""

from collections.abc import Mapping
from typing import Any

from sagemaker.estimator import Estimator as SdkEstimator

from slipway.aws.refusals import explained
from slipway.aws.session import is_local
from slipway.rule_evaluations import DebuggerOutputs, RuleEvaluation, evaluations_of, outputs_of
from slipway.training_job import Cost, cost_of


class LatestJob(SdkEstimator):  # type: ignore[misc]  # the SDK has no types
    """The SDK's Estimator, with questions about its latest job that the API answers; local mode has no answers."""

    @property
    def is_local(self) -> bool:
        """Whether this is the SDK's local mode."""
        return is_local(self.instance_type)

    @property
    def job_name(self) -> str | None:
        """Of the latest job; None before the first."""
        return None if self.latest_training_job is None else str(self.latest_training_job.name)

    @property
    def cost(self) -> Cost | None:
        """What the latest job used, billable seconds above all; None in local mode, and before the job has started.

        Raises:
            ServiceError: AWS refuses.
        """
        description = self._description()
        return None if description is None else cost_of(description)

    def rule_summary(self) -> tuple[RuleEvaluation, ...]:
        """How the evaluation of each rule of the latest job stands; rules go on for a while after the job.

        Raises:
            ServiceError: AWS refuses.
        """
        description = self._description()
        return () if description is None else evaluations_of(description)

    def debugger_outputs(self) -> DebuggerOutputs | None:
        """Where the latest job's tensors and measurements are; None in local mode, and before the first job.

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
