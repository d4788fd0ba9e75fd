"""Version 3 of the SDK: Transformer, with sagemaker-core's resource."""

from typing import Any

from sagemaker.core import resources

from slipway.aws.refusals import explained
from slipway.batch_transform import transformer


class Transformer(transformer.Transformer):
    """Batch transform of pictures: `slipway.batch_transform.transformer` has the arguments."""

    @property
    def resource(self) -> Any:
        """The last job as a sagemaker.core.resources.TransformJob, with all that it offers.

        Raises:
            TransformError: There was no job yet.
            ServiceError: AWS refuses.
        """
        name, session = self.job_name, self.sagemaker_session
        with explained(f"looking at the transform job {name}"):
            return resources.TransformJob.get(name, session=session.boto_session, region=session.boto_region_name)
