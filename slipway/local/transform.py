"""Batch transform in Docker on this machine, from a request in the shape of CreateTransformJob."""

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path
from typing import Any

from slipway.aws.connection import Aws
from slipway.datasets.folder import files_below
from slipway.errors import EndpointError, NoServerError, RemoteJobError, SettingError, TransformError
from slipway.local.addresses import on_this_machine, require_local
from slipway.local.serving import Answer, LocalEndpoint, serve

SUFFIX = ".out"
_STRATEGIES = {"SingleRecord": "SINGLE_RECORD", "MultiRecord": "MULTI_RECORD"}


def transform(
    request: Mapping[str, Any],
    model: Mapping[str, Any],
    *,
    names: Sequence[str] | None = None,
    answered: Callable[[int], None] = lambda done: None,
    show: Callable[[str], None] = lambda line: None,
    aws: Aws | None = None,
) -> dict[str, str]:
    """Send each file of a folder to a serving container, and write each answer to NAME.out in the output folder.

    Args:
        request: As CreateTransformJob takes it, with InstanceType `local` or `local_gpu`; input and output are folders
            (file://FOLDER or a path), or the input is in S3. A file is one request: SplitType is None.
        model: As for `serve`.
        names: Files to send, relative to the folder; None: all below it.
        answered: Called with the number of files done so far.
        show: Called with each line of the container's output, from another thread.
        aws: Credentials and region for S3; None: those of Settings.

    Returns:
        For each file that the container refused, which has no output, the reason.

    Raises:
        RemoteJobError: The container did not start, or ended; the message has its last output.
        TransformError: An output cannot be written.
        SettingError, ServiceError: As for `serve`.
    """
    source = request["TransformInput"]
    output = require_local(request["TransformOutput"]["S3OutputPath"], "the output path")
    _refuse_what_is_not_here(request)
    place, concurrent = source["DataSource"]["S3DataSource"]["S3Uri"], int(request.get("MaxConcurrentTransforms") or 1)
    name, kind = request["TransformJobName"], request["TransformResources"]["InstanceType"]
    accept = request["TransformOutput"].get("Accept", "application/json")
    refused: dict[str, str] = {}
    try:
        with (
            on_this_machine(place, "the transform job's input", aws) as folder,
            serve(_batch(model, request), port=None, gpu=kind == "local_gpu", show=show, aws=aws) as endpoint,
            ThreadPoolExecutor(concurrent) as pool,
        ):
            found = names or [path.relative_to(folder).as_posix() for path in files_below(folder)]

            def ask(one: str) -> Answer:
                return _ask(endpoint, folder / one, source.get("ContentType", "application/octet-stream"), accept)

            try:
                for done, (one, answer) in enumerate(zip(found, pool.map(ask, found), strict=True), start=1):
                    if answer.status == HTTPStatus.OK:
                        _write(output / f"{one}{SUFFIX}", answer.body)
                    else:
                        refused[one] = _reason(answer)
                    answered(done)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    except (EndpointError, NoServerError) as error:
        raise RemoteJobError(f"the transform job {name} failed in local mode: {error}") from error
    return refused


def _refuse_what_is_not_here(request: Mapping[str, Any]) -> None:
    source = request["TransformInput"]
    for member in ("SplitType", "CompressionType"):
        if source.get(member, "None") != "None":
            raise SettingError(f"{member} is {source[member]}; in local mode each file is one request: None")
    if "DataProcessing" in request:
        raise SettingError(
            "local mode neither filters nor joins; leave out input_filter, output_filter and join_source"
        )
    if request["TransformResources"].get("InstanceCount", 1) != 1:
        raise SettingError("local mode transforms in one container; leave out instance_count")


def _batch(model: Mapping[str, Any], request: Mapping[str, Any]) -> dict[str, Any]:
    """Add what SageMaker tells a container of a transform job, and name it after the job."""
    container = model.get("PrimaryContainer") or model["Containers"][0]
    environment = {
        **container.get("Environment", {}),
        "SAGEMAKER_BATCH": "true",
        "SAGEMAKER_MAX_PAYLOAD_IN_MB": str(request.get("MaxPayloadInMB") or 6),
        "SAGEMAKER_BATCH_STRATEGY": _STRATEGIES[request.get("BatchStrategy") or "MultiRecord"],
        "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": str(request.get("MaxConcurrentTransforms") or 1),
        **request.get("Environment", {}),
    }
    return {
        **model,
        "ModelName": request["TransformJobName"],
        "PrimaryContainer": {**container, "Environment": environment},
    }


def _ask(endpoint: LocalEndpoint, path: Path, content_type: str, accept: str) -> Answer:
    try:
        body = path.read_bytes()
    except OSError as error:
        text = json.dumps({"error": {"message": f"the file cannot be read: {error.strerror}"}})
        return Answer(HTTPStatus.BAD_REQUEST, "application/json", text.encode())
    return endpoint.invoke(body, content_type, accept)


def _write(path: Path, body: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    except OSError as error:
        raise TransformError(f"the output {path} cannot be written: {error.strerror}") from error


def _reason(answer: Answer) -> str:
    try:
        return str(json.loads(answer.body)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"the container answered with status {answer.status}"
