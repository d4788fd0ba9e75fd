"""Version 3 of the SDK: Model, with sagemaker-core's resource."""

from typing import Any

from sagemaker.core import resources

from slipway.aws.refusals import explained
from slipway.errors import SettingError
from slipway.hosting import model
from slipway.sdk3.predictor import Predictor


class Model(model.Model):
    """A model with the serving image: `slipway.hosting.model` has the arguments."""

    _predictor_class = Predictor

    @property
    def resource(self) -> Any:
        """The created model as a sagemaker.core.resources.Model, with all that it offers.

        Raises:
            SettingError: It was not created yet.
            ServiceError: AWS refuses.
        """
        if self.name is None:
            raise SettingError("the model was not created yet; deploy() or create() does that")
        session = self.sagemaker_session
        with explained(f"looking at the model {self.name}"):
            return resources.Model.get(self.name, session=session.boto_session, region=session.boto_region_name)
