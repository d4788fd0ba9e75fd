"""OpenAPI: the routes of the Open Inference Protocol."""

from container.serve.front.openapi.parts import Json, array, fields, json_content, ref, responses
from container.serve.protocol.open_inference import JSON_BYTES_HEADER, LIVE, READY, ROOT, VERSION
from container.serve.settings.config import MEBIBYTE, ServeConfig

_TEXT: Json = {"type": "string"}
_BINARY = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
_JSON_BYTES: Json = {"type": "integer", "minimum": 0}
_OF_MODEL = (400, 404, 413, 415, 500, 503, 504)


def paths(config: ServeConfig) -> Json:
    """Describe the routes, by path."""
    name: Json = _TEXT if config.multi_model else {"const": config.model_name}
    described: Json = {
        LIVE: {"get": _get("live", "Whether the server answers at all", fields({"live": {"const": True}}), probe=True)},
        READY: {"get": _get("ready", "The same as /ping", fields({"ready": {"const": True}}), probe=True)},
        ROOT: {"get": _get("server", "The server and its extensions", ref("OpenInferenceServer"))},
    }
    version: Json = {"name": "model_version", "in": "path", "required": True, "schema": {"const": VERSION}}
    for suffix, place, parameters in (("", "", []), ("Version", "/versions/{model_version}", [version])):
        path = f"{ROOT}/models/{{model_name}}{place}"
        own = {"parameters": [{"name": "model_name", "in": "path", "required": True, "schema": name}, *parameters]}
        ready = fields({"name": _TEXT, "ready": {"const": True}})
        described |= {
            path: {**own, "get": _get(f"model{suffix}", "A model's tensors", ref("OpenInferenceModel"), _OF_MODEL)},
            f"{path}/ready": {**own, "get": _get(f"modelReady{suffix}", "Whether a model is ready", ready, (404,))},
            f"{path}/infer": {**own, "post": _infer(config, suffix)},
        }
    return described


def _get(name: str, summary: str, schema: Json, errors: tuple[int, ...] = (), *, probe: bool = False) -> Json:
    answers = responses("So it is.", json_content(schema), errors, error="OpenInferenceError")
    if probe:
        # They have no request id.
        del answers["200"]["headers"]
    return {"summary": summary, "operationId": f"openInference_{name}", "responses": answers}


def _infer(config: ServeConfig, suffix: str) -> Json:
    answers = responses(
        "The outputs; those that are binary follow the JSON.",
        json_content(ref("OpenInferenceAnswer")) | _BINARY,
        (*_OF_MODEL, 422),
        error="OpenInferenceError",
    )
    answers["200"]["headers"][JSON_BYTES_HEADER] = {
        "description": "The length of the JSON, if binary data follows it.",
        "schema": _JSON_BYTES,
    }
    return {
        "summary": "Classify pictures",
        "operationId": f"openInference_infer{suffix}",
        "parameters": [
            {
                "name": JSON_BYTES_HEADER,
                "in": "header",
                "description": "The length of the JSON, if binary data follows it.",
                "schema": _JSON_BYTES,
            }
        ],
        "requestBody": {
            "required": True,
            "description": f"At most {config.max_body_bytes // MEBIBYTE} MiB, and {config.max_pictures} pictures.",
            "content": json_content(ref("OpenInferenceRequest")) | _BINARY,
        },
        "responses": answers,
    }


def schemas() -> Json:
    """The schemas that the routes refer to."""
    parameters: Json = {"type": "object"}
    sides: Json = array({"type": "integer", "minimum": 1}, minItems=1, maxItems=4)
    data: Json = {"type": "array"}
    tensor = fields({"name": _TEXT, "datatype": _TEXT, "shape": array({"type": "integer"})})
    given = {
        "name": {"const": "image"},
        "datatype": {"enum": ["BYTES", "UINT8"]},
        "shape": sides,
        "parameters": parameters,
        "data": data,
    }
    wanted = fields({"name": {"enum": ["probabilities", "label"]}, "parameters": parameters}, optional=["parameters"])
    answered = {**given, "name": _TEXT, "datatype": {"enum": ["FP32", "BYTES"]}}
    asked = {
        "id": _TEXT,
        "parameters": parameters,
        "inputs": array(fields(given, optional=["parameters", "data"]), minItems=1, maxItems=1),
        "outputs": array(wanted),
    }
    outputs = array(fields(answered, optional=["parameters", "data"]), minItems=1)
    return {
        "OpenInferenceError": fields({"error": _TEXT}, additionalProperties=False),
        "OpenInferenceServer": fields({"name": _TEXT, "version": _TEXT, "extensions": array(_TEXT)}),
        "OpenInferenceModel": fields(
            {
                "name": _TEXT,
                "versions": array(_TEXT),
                "platform": _TEXT,
                "inputs": array(tensor),
                "outputs": array(tensor),
            }
        ),
        "OpenInferenceRequest": fields(asked, optional=["id", "parameters", "outputs"]),
        "OpenInferenceAnswer": fields(
            {"model_name": _TEXT, "model_version": _TEXT, "id": _TEXT, "outputs": outputs}, optional=["id"]
        ),
    }
