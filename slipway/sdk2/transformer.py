"""Version 2 of the SDK: its Transformer, for pictures."""

from sagemaker.transformer import Transformer as SdkTransformer
from sagemaker.transformer import _TransformJob

from slipway.batch_transform import transformer
from slipway.sdk2.session import new_session


class Transformer(transformer.Transformer, SdkTransformer):  # type: ignore[misc]  # the SDK has no types
    """The SDK's Transformer: `slipway.batch_transform.transformer` has the arguments."""

    _session = staticmethod(new_session)

    @property
    def latest_transform_job(self) -> _TransformJob | None:
        """The last job, as the SDK has it; None before the first."""
        name = self._current_job_name
        return name and _TransformJob(self.sagemaker_session, name)
