"""Asks an endpoint about pictures, and returns typed predictions."""

import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from slipway.aws.cloud_logs import endpoint_group
from slipway.aws.connection import Aws
from slipway.aws.console_address import log_address
from slipway.aws.refusals import AwsError, explained
from slipway.aws.s3_address import S3Address
from slipway.aws.session import AnySession, AwsSession
from slipway.checks.arguments import refuse_unknown
from slipway.errors import EndpointError, RequestError
from slipway.hosting.endpoint import delete_endpoint, no_endpoint, require_endpoint
from slipway.hosting.pending_prediction import PendingPrediction
from slipway.inference.explanation import ExplainedPrediction, Explanation
from slipway.inference.picture_bodies import ANY_PICTURE, LARGEST_BYTES, LIMIT_BYTES, Body, Picture, bodies, is_many
from slipway.inference.prediction import Prediction, parse_predictions
from slipway.installed_sdk import OnVersion3
from slipway.settings.slipway_toml import Settings

Answer = list[Prediction] | ExplainedPrediction

_JSON = "application/json"
_ASYNC_LIMIT_BYTES = 1_000_000_000
_ASYNC_TIMEOUT_S = 3600


class Predictor(OnVersion3):
    """An endpoint that classifies pictures.

    `slipway.Predictor` is this class, or with an SDK installed its subclass for that SDK.

    Args:
        endpoint_name: Endpoint that a `Model` was deployed to.
        sagemaker_session: Session; None: one for the region of Settings, AWS_REGION or the profile.
        serializer: One of either SDK's, or an object with `serialize(data)` and CONTENT_TYPE, by which `predict` sends
            what it is given; None: pictures, or with an initial ContentType the data as they are.
        deserializer: One of either SDK's, or an object with `deserialize(stream, content_type)` and ACCEPT, by which
            `predict` reads the answer; None: typed predictions, or with the above JSON.
        component_name: Inference component of the endpoint.
        others: Further arguments of the SDK's class.

    Raises:
        TypeError: An argument is unknown.
        SettingError: No region is configured.
    """

    def __init__(
        self,
        endpoint_name: str,
        sagemaker_session: AnySession | None = None,
        *,
        serializer: Any = None,
        deserializer: Any = None,
        component_name: str | None = None,
        **others: Any,
    ) -> None:
        refuse_unknown("Predictor", others, (type(self), "__init__"))
        self.endpoint_name = endpoint_name
        self.sagemaker_session = sagemaker_session or self._session()
        self.serializer = serializer
        self.deserializer = deserializer
        self.component_name = component_name

    @staticmethod
    def _session() -> AnySession:
        settings = Settings.read()
        return AwsSession(Aws(settings.region, settings.profile))

    def predict(
        self,
        data: Picture | Sequence[Picture],
        initial_args: Mapping[str, Any] | None = None,
        target_model: str | None = None,
        target_variant: str | None = None,
        inference_id: str | None = None,
        custom_attributes: str | None = None,
        component_name: str | None = None,
        *,
        explain: bool = False,
    ) -> Any:
        """Classify pictures.

        Args:
            data: A file, its bytes, a Pillow picture, a uint8 array (height, width, 3), or several: a list of these or
                an array (pictures, height, width, 3). Many are sent in requests of at most 6 MB.
            initial_args: Further arguments of InvokeEndpoint; with a ContentType, `data` is sent as it is, and the
                answer's JSON is returned.
            target_model: Model of a multi-model endpoint: its archive's name below the prefix.
            target_variant: Variant of an endpoint with several.
            inference_id: ID that is recorded with captured data.
            custom_attributes: The header X-Amzn-SageMaker-Custom-Attributes.
            component_name: Inference component of the endpoint.
            explain: Also compute a heat map for each picture.

        Returns:
            The most probable classes, best first: list[Prediction]; with `explain` an ExplainedPrediction. For several
            pictures, a list of these, in order.

        Raises:
            RequestError: The endpoint refuses the request, with the container's message.
            EndpointError: There is no such endpoint.
            ServiceError: AWS refuses the call.
        """
        given = {
            "TargetModel": target_model,
            "TargetVariant": target_variant,
            "InferenceId": inference_id,
            "CustomAttributes": custom_attributes,
            "InferenceComponentName": component_name or self.component_name,
        }
        arguments = {**{name: value for name, value in given.items() if value is not None}, **(initial_args or {})}
        if "ContentType" in arguments or not self._takes_pictures():
            return self._exchange(data, arguments)
        accept = f"{_JSON};explain=true" if explain else _JSON
        answers: list[Answer] = []
        for body in bodies(data, LIMIT_BYTES):
            if len(body.content) > LARGEST_BYTES:
                raise RequestError(
                    f"the picture has {len(body.content):,} bytes, and an endpoint takes {LARGEST_BYTES:,} at most; "
                    "make it smaller, or use an asynchronous endpoint"
                )
            content = self._invoke(body, {"Accept": accept, **arguments})
            answers += _answers(content, many=body.many, explain=explain)
        return answers if is_many(data) else answers[0]

    def predict_async(
        self,
        data: Picture | Sequence[Picture],
        *,
        input_path: str | None = None,
        inference_id: str | None = None,
        explain: bool = False,
    ) -> PendingPrediction[Any]:
        """Send pictures to an asynchronous endpoint, without waiting for the answer.

        Args:
            data: As for `predict`; all in one request of at most 1 GB.
            input_path: S3 address for the request; None: a new one beside the endpoint's outputs.
            inference_id: ID that is recorded with captured data.
            explain: Also compute a heat map for each picture.

        Returns:
            The pending answer, which can be waited for and is like that of `predict`.

        Raises:
            EndpointError: There is no such endpoint, or it is not asynchronous.
            RequestError: There is no picture.
            ServiceError: AWS refuses.
        """
        made = list(bodies(data, _ASYNC_LIMIT_BYTES, most=None))
        if not made:
            raise RequestError("there are no pictures; the list is empty")
        body = made[0]
        if len(made) > 1 or len(body.content) > _ASYNC_LIMIT_BYTES:
            raise RequestError("these pictures are more than the 1 GB of one request; ask in several calls")
        place = S3Address.parse(input_path) if input_path else self._outputs().below(f"input/{uuid.uuid4()}")
        with explained(f"uploading the request to {place}"):
            self.sagemaker_session.boto_session.client("s3").put_object(
                Bucket=place.bucket, Key=place.key, Body=body.content, ContentType=body.content_type
            )
        with explained(f"asking the endpoint {self.endpoint_name}"):
            answer = self.sagemaker_session.sagemaker_runtime_client.invoke_endpoint_async(
                EndpointName=self.endpoint_name,
                InputLocation=str(place),
                ContentType=body.content_type,
                Accept=f"{_JSON};explain=true" if explain else _JSON,
                InvocationTimeoutSeconds=_ASYNC_TIMEOUT_S,
                **({"InferenceId": inference_id} if inference_id else {}),
            )

        def parse(content: bytes) -> Any:
            answers = _answers(_from_json(content, self.endpoint_name), many=body.many, explain=explain)
            return answers if is_many(data) else answers[0]

        return PendingPrediction(self.sagemaker_session, answer["OutputLocation"], answer.get("FailureLocation"), parse)

    def delete(self) -> list[str]:
        """Delete the endpoint, its autoscaling, its configuration and its models; return their descriptions.

        Raises:
            EndpointError: There is no such endpoint.
            ServiceError: AWS refuses; the message says what is left.
        """
        return delete_endpoint(self.sagemaker_session, self.endpoint_name)

    def delete_endpoint(self, delete_endpoint_config: bool = True) -> None:
        """Delete the endpoint, and its configuration; the model stays. `delete` leaves nothing.

        Raises:
            EndpointError: There is no such endpoint.
            ServiceError: AWS refuses.
        """
        client = self.sagemaker_session.sagemaker_client
        configuration = require_endpoint(self.sagemaker_session, self.endpoint_name).get("EndpointConfigName")
        with explained(f"deleting the endpoint {self.endpoint_name}"):
            if delete_endpoint_config and configuration:
                client.delete_endpoint_config(EndpointConfigName=configuration)
            client.delete_endpoint(EndpointName=self.endpoint_name)

    def _takes_pictures(self) -> bool:
        return self.serializer is None and self.deserializer is None

    def _exchange(self, data: Any, arguments: Mapping[str, Any]) -> Any:
        """Send data as the serializer makes it, and return the answer as the deserializer reads it."""
        content = self.serializer.serialize(data) if self.serializer else data
        content_type = self.serializer.CONTENT_TYPE if self.serializer else ANY_PICTURE
        accept = self.deserializer.ACCEPT if self.deserializer else _JSON
        accept = accept if isinstance(accept, str) else ", ".join(accept)
        answer = self._call({"ContentType": content_type, "Accept": accept, "Body": content, **arguments})
        if self.deserializer:
            return self.deserializer.deserialize(answer["Body"], answer.get("ContentType", "application/octet-stream"))
        return _from_json(answer["Body"].read(), self.endpoint_name)

    def _outputs(self) -> S3Address:
        """Return the parent of an asynchronous endpoint's output folder."""
        client = self.sagemaker_session.sagemaker_client
        endpoint = require_endpoint(self.sagemaker_session, self.endpoint_name)
        with explained(f"looking at the endpoint {self.endpoint_name}"):
            configuration = client.describe_endpoint_config(EndpointConfigName=endpoint["EndpointConfigName"])
        if "AsyncInferenceConfig" not in configuration:
            raise EndpointError(
                f"the endpoint {self.endpoint_name} is not asynchronous; ask it with predict(), or deploy the model "
                "with async_inference_config (slipway deploy --async)"
            )
        outputs = S3Address.parse(configuration["AsyncInferenceConfig"]["OutputConfig"]["S3OutputPath"])
        return S3Address(outputs.bucket, outputs.key.rstrip("/").removesuffix("/output"))

    def _invoke(self, body: Body, arguments: Mapping[str, Any]) -> Any:
        answer = self._call({"ContentType": body.content_type, "Body": body.content, **arguments})
        with explained(f"asking the endpoint {self.endpoint_name}"):
            return _from_json(answer["Body"].read(), self.endpoint_name)

    def _call(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        from botocore.exceptions import ClientError

        client = self.sagemaker_session.sagemaker_runtime_client
        try:
            with explained(f"asking the endpoint {self.endpoint_name}"):
                try:
                    answer: Mapping[str, Any] = client.invoke_endpoint(
                        **{"EndpointName": self.endpoint_name, **arguments}
                    )
                except ClientError as error:
                    raise self._refused(error) from error
        except AwsError as error:
            if error.code == "ValidationError" and "not found" in str(error):
                raise no_endpoint(self.sagemaker_session, self.endpoint_name) from error
            raise
        return answer

    def _refused(self, error: Any) -> BaseException:
        """Return the container's message, if the answer comes from the container."""
        if error.response["Error"]["Code"] != "ModelError":
            return error  # type: ignore[no-any-return]  # botocore has no types
        status = int(error.response.get("OriginalStatusCode", 500))
        try:
            message = json.loads(error.response["OriginalMessage"])["error"]["message"]
        except (ValueError, KeyError, TypeError):
            address = log_address(endpoint_group(self.endpoint_name), self.sagemaker_session.boto_region_name)
            message = f"{error.response['Error'].get('Message', '')} Its log: {address}"
        return RequestError(f"the endpoint {self.endpoint_name} refused it ({status}): {message}")


def _from_json(content: bytes, endpoint: str) -> Any:
    try:
        return json.loads(content)
    except ValueError as error:
        raise RequestError(f"the endpoint {endpoint} answers with something other than JSON") from error


def _answers(content: Any, *, many: bool, explain: bool) -> list[Answer]:
    # The SDK's local mode returns an error as if it were an answer.
    if isinstance(content, Mapping) and isinstance(content.get("error"), Mapping):
        error = content["error"]
        raise RequestError(f"the container refused it ({error.get('status')}): {error.get('message')}")
    rows = content.get("predictions") if isinstance(content, Mapping) else None
    predictions = [parse_predictions({"predictions": row}) for row in (rows if many and rows else [rows])]
    if not explain:
        return list(predictions)
    found = content.get("explanations" if many else "explanation")
    explanations = found if many and isinstance(found, list) else [found] * len(predictions)
    return [
        ExplainedPrediction(predictions=row, explanation=Explanation.from_json(fields))
        for row, fields in zip(predictions, explanations, strict=True)
    ]
