"""Information on an Estimator's latest job: its name, its cost, the rules' findings, the addresses of tensors."""

from collections.abc import Mapping
from typing import Any

from sagemaker.estimator import Estimator as SdkEstimator

from slipway.aws.refusals import explained
from slipway.aws.session import is_local
from slipway.rule_evaluations import DebuggerOutputs, RuleEvaluation, evaluations_of, outputs_of
from slipway.training_job import Cost, cost_of


class LatestJob(SdkEstimator):  # type: ignore[misc]  # the SDK has no types
    """The SDK's Estimator with information from the API on its latest job; in local mode there is none."""

    @property
    def is_local(self) -> bool:
        """Whether the session is one of the SDK's local mode."""
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
