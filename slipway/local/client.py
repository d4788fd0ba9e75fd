"""SageMaker's endpoints in Docker on this machine, with the methods of boto3's clients that Slipway calls."""

import atexit
import io
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from slipway.local.serving import LocalEndpoint, serve

_STATUS = {"EndpointStatus": "InService"}


@dataclass
class _Running:
    """An endpoint, and what ends it."""

    endpoint: LocalEndpoint
    configuration: str
    stack: ExitStack


@dataclass
class LocalSageMaker:
    """The models, configurations and endpoints of one session; endpoints end with the process at the latest.

    Requests are those of the API's operations, as `slipway.local.serve` takes them, and missing names are its errors.
    """

    port: int
    """Port of this machine at which an endpoint answers."""
    show: Callable[[str], None]
    """Called with each line of the containers' output, from other threads."""
    _models: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    _configurations: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    _endpoints: dict[str, _Running] = field(default_factory=dict)

    def create_model(self, **request: Any) -> None:
        self._models[request["ModelName"]] = request

    def describe_model(self, *, ModelName: str) -> Mapping[str, Any]:  # noqa: N803 - the API's names, here and below
        found: Mapping[str, Any] = _found(self._models, ModelName, "DescribeModel")
        return found

    def delete_model(self, *, ModelName: str) -> None:  # noqa: N803
        _found(self._models, ModelName, "DeleteModel")
        del self._models[ModelName]

    def create_endpoint_config(self, **request: Any) -> None:
        self._configurations[request["EndpointConfigName"]] = request

    def describe_endpoint_config(self, *, EndpointConfigName: str) -> Mapping[str, Any]:  # noqa: N803
        found: Mapping[str, Any] = _found(self._configurations, EndpointConfigName, "DescribeEndpointConfig")
        return found

    def delete_endpoint_config(self, *, EndpointConfigName: str) -> None:  # noqa: N803
        _found(self._configurations, EndpointConfigName, "DeleteEndpointConfig")
        del self._configurations[EndpointConfigName]

    def create_endpoint(self, *, EndpointName: str, EndpointConfigName: str, **_: Any) -> None:  # noqa: N803
        """Start the container, and wait until it answers.

        Raises:
            UserError: As `slipway.local.serve`.
        """
        configuration = self.describe_endpoint_config(EndpointConfigName=EndpointConfigName)
        [variant] = configuration["ProductionVariants"]
        model = _found(self._models, variant["ModelName"], "CreateEndpoint")
        stack = ExitStack()
        serving = serve(model, port=self.port, gpu=variant.get("InstanceType") == "local_gpu", show=self.show)
        self._endpoints[EndpointName] = _Running(stack.enter_context(serving), EndpointConfigName, stack)
        atexit.register(stack.close)

    def describe_endpoint(self, *, EndpointName: str) -> Mapping[str, Any]:  # noqa: N803
        running = _found(self._endpoints, EndpointName, "DescribeEndpoint")
        return {"EndpointName": EndpointName, "EndpointConfigName": running.configuration, **_STATUS}

    def delete_endpoint(self, *, EndpointName: str) -> None:  # noqa: N803
        """Stop the container."""
        running = _found(self._endpoints, EndpointName, "DeleteEndpoint")
        del self._endpoints[EndpointName]
        atexit.unregister(running.stack.close)
        running.stack.close()

    def invoke_endpoint(
        self,
        *,
        EndpointName: str,  # noqa: N803
        Body: bytes,  # noqa: N803
        ContentType: str = "application/octet-stream",  # noqa: N803
        Accept: str = "application/json",  # noqa: N803
        CustomAttributes: str | None = None,  # noqa: N803
    ) -> Mapping[str, Any]:
        """Ask an endpoint, as boto3's client of the runtime does.

        Raises:
            NoServerError: The container does not answer, or has ended.
        """
        endpoint = _found(self._endpoints, EndpointName, "InvokeEndpoint").endpoint
        headers = {"X-Amzn-SageMaker-Custom-Attributes": CustomAttributes} if CustomAttributes else {}
        answer = endpoint.invoke(Body, ContentType, Accept, **headers)
        if answer.status >= HTTPStatus.BAD_REQUEST:
            text = answer.body.decode(errors="replace")
            about = {"OriginalStatusCode": answer.status, "OriginalMessage": text}
            raise _client_error("ModelError", text, "InvokeEndpoint", **about)
        return {"Body": io.BytesIO(answer.body), "ContentType": answer.content_type}


def _found(known: Mapping[str, Any], name: str, operation: str) -> Any:
    if name not in known:
        raise _client_error("ValidationException", f'Could not find "{name}" in local mode.', operation)
    return known[name]


def _client_error(code: str, message: str, operation: str, **more: Any) -> Exception:
    from botocore.exceptions import ClientError

    error: Exception = ClientError({"Error": {"Code": code, "Message": message}, **more}, operation)
    return error
