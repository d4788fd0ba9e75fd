"""OpenAPI: the routes below /models."""

from container.serve.front.openapi.invocation import operation
from container.serve.front.openapi.parts import Json, array, fields, json_content, ref, responses
from container.serve.settings.config import ServeConfig

_NAME: Json = {
    "name": "model_name",
    "in": "path",
    "required": True,
    "description": "Any text of at most 1024 bytes of UTF-8, percent-encoded.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 1024},
}
_TEXT: Json = {"type": "string"}
_ERRORS = (400, 408, 413, 500, 503)


def paths(config: ServeConfig) -> Json:
    """Describe the routes, by path."""
    return {
        "/models": {"get": _list(), "post": _load()},
        "/models/{model_name}": {"parameters": [_NAME], "get": _get(), "delete": _unload()},
        "/models/{model_name}/invoke": {"parameters": [_NAME], "post": operation(config, many_models=True)},
    }


def schemas() -> Json:
    """The schemas that the routes refer to."""
    return {
        "Model": fields({"modelName": _TEXT, "modelUrl": _TEXT}),
        "Models": fields({"models": array(ref("Model")), "nextPageToken": _TEXT}, optional=["nextPageToken"]),
    }


def _list() -> Json:
    return {
        "summary": "List the loaded models by name",
        "operationId": "listModels",
        "parameters": [
            {"name": "page_size", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 1000}},
            {
                "name": "next_page_token",
                "in": "query",
                "description": "The nextPageToken of the previous page.",
                "schema": _TEXT,
            },
        ],
        "responses": responses("A page of them.", json_content(ref("Models")), _ERRORS),
    }


def _load() -> Json:
    name = {"type": "string", "minLength": 1, "maxLength": 1024}
    url = {"type": "string", "description": "An absolute path below models/."}
    return {
        "summary": "Load a model",
        "operationId": "loadModel",
        "requestBody": {
            "required": True,
            "content": json_content(fields({"model_name": name, "url": url})),
        },
        "responses": responses(
            "It is loaded, and a prediction was made.",
            json_content(ref("Model")),
            (*_ERRORS, 404, 409, 422, 504, 507),
        ),
    }


def _get() -> Json:
    return {
        "summary": "One of the loaded models",
        "operationId": "getModel",
        "responses": responses("It is loaded.", json_content(ref("Model")), (*_ERRORS, 404)),
    }


def _unload() -> Json:
    return {
        "summary": "Unload a model",
        "operationId": "unloadModel",
        "responses": responses(
            "It is unloaded: its requests are answered, its processes gone, and their memory free.",
            json_content(fields({"modelName": _TEXT})),
            (*_ERRORS, 404),
        ),
    }
