"""GET /openapi.json: the server's routes, by its settings.

Form: OpenAPI Specification 3.1.0, with JSON Schema 2020-12.
"""

import json

from container.serve.front.openapi import invocation, many_models, open_inference
from container.serve.front.openapi.parts import JSON_TYPE, Json, fields, json_content, responses
from container.serve.protocol.replies import ATTRIBUTES_HEADER, Reply
from container.serve.settings.config import ServeConfig

PATH = "/openapi.json"


def description(config: ServeConfig) -> Reply:
    """The answer with the document."""
    body = json.dumps(_document(config), ensure_ascii=False).encode()
    return Reply(status=200, content_type=JSON_TYPE, body=body)


def _document(config: ServeConfig) -> Json:
    routes: Json = {"/ping": {"get": _ping(config)}, PATH: {"get": _own()}}
    schemas: Json = {"Error": _error(), **invocation.schemas(config)}
    if config.multi_model:
        routes |= many_models.paths(config)
        schemas |= many_models.schemas()
    else:
        routes["/execution-parameters"] = {"get": _execution_parameters()}
        routes["/invocations"] = {"post": invocation.operation(config, many_models=False)}
    if config.kserve:
        routes |= open_inference.paths(config)
        schemas |= open_inference.schemas()
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Slipway",
            "version": "1",
            "description": "An image classifier behind SageMaker's inference contract. Every error has the form Error, "
            "below /v2 OpenInferenceError. Other paths are answered 404, other methods 405 with Allow.",
        },
        "paths": routes,
        "components": {"schemas": schemas, "headers": _headers()},
    }


def _ping(config: ServeConfig) -> Json:
    one = "A prediction has been made since the model was loaded, and all workers live."
    answers = responses("Models can be loaded." if config.multi_model else one, {}, ())
    # SageMaker only looks at the status.
    del answers["200"]["headers"]
    return {"summary": "Whether the server can predict", "operationId": "ping", "responses": answers}


def _execution_parameters() -> Json:
    schema = fields(
        {
            "MaxConcurrentTransforms": {"type": "integer", "minimum": 1},
            "BatchStrategy": {"const": "SINGLE_RECORD"},
            "MaxPayloadInMB": {"type": "integer", "minimum": 1, "maximum": 100},
        }
    )
    return {
        "summary": "The limits of a batch transform job that sets none",
        "operationId": "executionParameters",
        "responses": responses("The limits.", json_content(schema), ()),
    }


def _own() -> Json:
    return {
        "summary": "This document",
        "operationId": "openapi",
        "responses": responses("This document.", json_content({"type": "object"}), ()),
    }


def _error() -> Json:
    said = fields(
        {
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "message": {"type": "string"},
            "request_id": {"type": "string", "format": "uuid"},
        },
        additionalProperties=False,
    )
    return fields({"error": said}, additionalProperties=False)


def _headers() -> Json:
    request_id = {"type": "string", "format": "uuid"}
    return {
        "RequestId": {"description": "The request's id in the log.", "required": True, "schema": request_id},
        "RetryAfter": {
            "description": "Seconds after which another try is worthwhile.",
            "required": True,
            "schema": {"type": "integer", "minimum": 1},
        },
        "CustomAttributes": {
            "description": f"The request's {ATTRIBUTES_HEADER}, reduced to printable ASCII.",
            "schema": {"type": "string", "maxLength": 1024},
        },
    }
