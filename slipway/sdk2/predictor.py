"""Version 2 of the SDK: its Predictor, for pictures."""

from collections.abc import Mapping
from typing import Any

from sagemaker.deserializers import JSONDeserializer
from sagemaker.predictor import Predictor as SdkPredictor
from sagemaker.serializers import IdentitySerializer

from slipway.aws.session import AnySession
from slipway.hosting import predictor
from slipway.inference.picture_bodies import ANY_PICTURE
from slipway.sdk2.session import new_session


class Predictor(predictor.Predictor, SdkPredictor):  # type: ignore[misc]  # the SDK has no types
    """The SDK's Predictor, for pictures: `slipway.hosting.predictor` has the arguments.

    With a serializer or a deserializer, `predict` is the SDK's own.
    """

    _session = staticmethod(new_session)

    def __init__(self, endpoint_name: str, sagemaker_session: AnySession | None = None, **sdk_arguments: Any) -> None:
        super().__init__(endpoint_name, sagemaker_session, **sdk_arguments)
        codec = {"serializer": _Pictures(), "deserializer": _Predictions()}
        SdkPredictor.__init__(self, endpoint_name, self.sagemaker_session, **{**codec, **sdk_arguments})

    def _takes_pictures(self) -> bool:
        return isinstance(self.serializer, _Pictures) and isinstance(self.deserializer, _Predictions)

    def _exchange(self, data: Any, arguments: Mapping[str, Any]) -> Any:
        return SdkPredictor.predict(self, data, initial_args=arguments)


class _Pictures(IdentitySerializer):  # type: ignore[misc]  # the SDK has no types
    """Default serializer: marks a Predictor whose `predict` takes pictures."""

    def __init__(self) -> None:
        super().__init__(ANY_PICTURE)


class _Predictions(JSONDeserializer):  # type: ignore[misc]  # the SDK has no types
    """Default deserializer: marks a Predictor whose `predict` returns typed predictions."""
