"""Version 2 of the SDK: its Transformer, for pictures."""

from typing import Any, Self

from sagemaker.transformer import Transformer as SdkTransformer
from sagemaker.transformer import _TransformJob
from sagemaker.workflow.pipeline_context import PipelineSession

from slipway.aws.session import AnySession
from slipway.batch_transform import transformer
from slipway.inference.invocations import ANY_PICTURE
from slipway.requests.transform_job import TransformJob
from slipway.sdk2.session import new_session


class Transformer(transformer.Transformer, SdkTransformer):  # type: ignore[misc]  # the SDK has no types
    """The SDK's Transformer: `slipway.batch_transform.transformer` has the arguments."""

    _session = staticmethod(new_session)
    latest_transform_job: Any = None
    _reset_output_path = False

    @classmethod
    def attach(
        cls, transform_job_name: str, sagemaker_session: AnySession | None = None, *, region: str | None = None
    ) -> Self:
        """Build a Transformer with a job's settings, as there."""
        made = super().attach(transform_job_name, sagemaker_session, region=region)
        made.latest_transform_job = _TransformJob(made.sagemaker_session, transform_job_name)
        return made

    def transform(
        self, data: Any, content_type: str = ANY_PICTURE, job_name: str | None = None, **arguments: Any
    ) -> Any:
        """Start the job; with a PipelineSession, return a step's arguments.

        Args:
            data: As in `slipway.batch_transform.transformer`; in a pipeline also a parameter or a step's property.
            content_type: Content type of the pictures.
            job_name: Name of the job.
            arguments: The others there; in a pipeline those of the SDK.

        Raises:
            UserError: As there.
        """
        if isinstance(self.sagemaker_session, PipelineSession):
            return SdkTransformer.transform(self, data, content_type=content_type, job_name=job_name, **arguments)
        super().transform(data, content_type, job_name, **arguments)
        return None

    def _start(self, job: TransformJob) -> None:
        super()._start(job)
        self.latest_transform_job = _TransformJob(self.sagemaker_session, job.name)
