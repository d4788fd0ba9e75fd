"""What stands between a client and the container on SageMaker: the runtime's API over HTTP, in front of a real server.

It names endpoints in its paths, hands on the container's answers, and makes a ModelError of the container's errors, as
InvokeEndpoint's and InvokeEndpointAsync's references describe.
"""

import http.client
import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3

from slipway.aws.s3_address import S3Address
from tests.serve.server_process import PATIENCE_S

FOREIGN = "foreign"
"""An endpoint whose container is not ours, and always fails."""

_PREFIX = "x-amzn-sagemaker-"


class InferencePlatform(http.server.ThreadingHTTPServer):
    """Serves the endpoints `names`, all of them by one container."""

    daemon_threads = True

    def __init__(self, container_port: int, *names: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.container_port = container_port
        self.names = (*names, FOREIGN)
        self.outputs = S3Address("dogs", "jobs/async/dogs")
        self.seen: list[dict[str, str]] = []
        """Headers of the requests, in lower case."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def ask_container(self, body: bytes, headers: dict[str, str]) -> tuple[int, str, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.container_port, timeout=PATIENCE_S)
        connection.request("POST", "/invocations", body, headers)
        response = connection.getresponse()
        answer = response.status, response.getheader("Content-Type", ""), response.read()
        connection.close()
        return answer


class _Handler(http.server.BaseHTTPRequestHandler):
    server: InferencePlatform

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.seen.append(headers)
        _, _, name, kind = self.path.split("/")
        if name not in self.server.names:
            message = f"Endpoint {name} of account 111122223333 not found."
            return self._answer(400, {"Message": message}, **{"x-amzn-errortype": "ValidationError"})
        if name == FOREIGN:
            fields = {"Message": "Received server error (500)", "OriginalStatusCode": 500, "OriginalMessage": "<html>"}
            return self._answer(424, fields, **{"x-amzn-errortype": "ModelError"})
        if kind == "async-invocations":
            return self._invoke_later(headers)
        asked = {name: headers[name] for name in ("content-type", "accept") if name in headers}
        status, content_type, answer = self.server.ask_container(body, asked)
        if status != 200:
            fields = {
                "Message": f"Received client error ({status}) from primary with message {answer[:80]!r}.",
                "OriginalStatusCode": status,
                "OriginalMessage": answer.decode(),
            }
            return self._answer(424, fields, **{"x-amzn-errortype": "ModelError"})
        return self._answer(200, answer, **{"content-type": content_type})

    def _invoke_later(self, headers: dict[str, str]) -> None:
        s3 = boto3.client("s3")
        given = S3Address.parse(headers[f"{_PREFIX}inputlocation"])
        body = s3.get_object(Bucket=given.bucket, Key=given.key)["Body"].read()
        asked = {"Content-Type": headers[f"{_PREFIX}content-type"], "Accept": headers[f"{_PREFIX}accept"]}
        status, _, answer = self.server.ask_container(body, asked)
        number = len(self.server.seen)
        places = {name: self.server.outputs.below(f"{name}/{number}.out") for name in ("output", "failure")}
        place = places["output" if status == 200 else "failure"]
        s3.put_object(Bucket=place.bucket, Key=place.key, Body=answer)
        located = {f"{_PREFIX}{name}location": str(place) for name, place in places.items()}
        self._answer(202, {"InferenceId": str(number)}, **located)

    def _answer(self, status: int, content: Any, **headers: str) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing."""


@contextmanager
def inference_platform(container_port: int, *names: str) -> Iterator[InferencePlatform]:
    """Endpoints of these names, until the body ends."""
    with InferencePlatform(container_port, *names) as platform:
        threading.Thread(target=platform.serve_forever, daemon=True).start()
        yield platform
        platform.shutdown()
