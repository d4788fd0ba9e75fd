"""Version 3 of the SDK: Predictor, with sagemaker-core's resource."""

from typing import Any

from sagemaker.core import resources

from slipway.aws.refusals import explained
from slipway.hosting import predictor


class Predictor(predictor.Predictor):
    """An endpoint that classifies pictures: `slipway.hosting.predictor` has the arguments."""

    @property
    def resource(self) -> Any:
        """The endpoint as a sagemaker.core.resources.Endpoint, with all that it offers.

        Raises:
            ServiceError: There is no such endpoint, or AWS refuses.
        """
        session = self.sagemaker_session
        with explained(f"looking at the endpoint {self.endpoint_name}"):
            return resources.Endpoint.get(
                self.endpoint_name, session=session.boto_session, region=session.boto_region_name
            )
