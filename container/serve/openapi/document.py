"""GET /openapi.json: this server's routes as its settings have them.

Form: OpenAPI Specification 3.1.0, with JSON Schema 2020-12.
"""

import json

from container.serve.config import ServeConfig
from container.serve.openapi import invocation, many_models
from container.serve.openapi.parts import JSON_TYPE, Json, fields, json_content, responses
from container.serve.replies import Reply

ROUTE = "/openapi.json"


def document(config: ServeConfig) -> Reply:
    """The answer that holds the document."""
    body = json.dumps(_document(config), ensure_ascii=False).encode()
    return Reply(status=200, content_type=JSON_TYPE, body=body)


def _document(config: ServeConfig) -> Json:
    routes: Json = {
        "/ping": {"get": _ping()},
        "/execution-parameters": {"get": _execution_parameters()},
        ROUTE: {"get": _own()},
    }
    schemas: Json = {"Error": _error(), **invocation.schemas(config)}
    if config.multi_model:
        routes |= many_models.paths(config)
        schemas |= many_models.schemas()
    else:
        routes["/invocations"] = {"post": invocation.operation(config, many_models=False)}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Slipway",
            "version": "1",
            "description": "An image classifier behind SageMaker's inference contract.",
        },
        "paths": routes,
        "components": {"schemas": schemas, "headers": _headers()},
    }


def _ping() -> Json:
    answers = responses("A prediction has been made since the model was loaded, and all workers live.", {}, ())
    # SageMaker looks at nothing but the status.
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
        "summary": "What a batch transform job does where it leaves its limits open",
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
    return {
        "RequestId": {
            "description": "The request's name in the log.",
            "required": True,
            "schema": {"type": "string", "format": "uuid"},
        },
        "RetryAfter": {
            "description": "Seconds after which it is worth another try.",
            "required": True,
            "schema": {"type": "integer", "minimum": 1},
        },
        "CustomAttributes": {
            "description": "As the request had them: of them what is printable ASCII.",
            "schema": {"type": "string", "maxLength": 1024},
        },
    }
