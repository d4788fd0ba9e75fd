"""OpenAPI: the routes of the Open Inference Protocol."""

from container.serve.front.openapi.parts import Json, array, fields, json_content, ref, responses
from container.serve.protocol.open_inference import JSON_BYTES_HEADER, LIVE, READY, ROOT, VERSION
from container.serve.settings.config import MEBIBYTE, ServeConfig

_TEXT: Json = {"type": "string"}
_TRUE: Json = {"const": True}
_OBJECT: Json = {"type": "object"}
_BINARY = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
_JSON_BYTES: Json = {
    "description": "The length of the JSON, if binary data follows it.",
    "schema": {"type": "integer", "minimum": 0},
}
_ERRORS = (400, 404, 413, 415, 500, 503, 504)


def paths(config: ServeConfig) -> Json:
    """Describe the routes, by path."""
    name: Json = _TEXT if config.multi_model else {"const": config.model_name}
    described = f"The same paths with /versions/{VERSION} after the name mean the same."
    of_model: Json = {
        "description": described,
        "parameters": [{"name": "model_name", "in": "path", "required": True, "schema": name}],
    }
    tensor = fields({"name": _TEXT, "datatype": _TEXT, "shape": array({"type": "integer"})})
    about = {"name": _TEXT, "versions": array(_TEXT), "platform": _TEXT}
    model = fields({**about, "inputs": array(tensor), "outputs": array(tensor)})
    server = fields({"name": _TEXT, "version": _TEXT, "extensions": array(_TEXT)})
    root = f"{ROOT}/models/{{model_name}}"
    return {
        LIVE: {"get": _get("live", "Whether the server answers at all", fields({"live": _TRUE}), probe=True)},
        READY: {"get": _get("ready", "The same as /ping", fields({"ready": _TRUE}), probe=True)},
        ROOT: {"get": _get("server", "The server and its extensions", server)},
        root: {**of_model, "get": _get("model", "A model's tensors", model, _ERRORS)},
        f"{root}/ready": {
            **of_model,
            "get": _get("modelReady", "Whether a model is ready", fields({"name": _TEXT, "ready": _TRUE}), (404,)),
        },
        f"{root}/infer": {**of_model, "post": _infer(config)},
    }


def _get(name: str, summary: str, schema: Json, errors: tuple[int, ...] = (), *, probe: bool = False) -> Json:
    answers = responses("So it is.", json_content(schema), errors, error="OpenInferenceError")
    if probe:
        # They have no request id.
        del answers["200"]["headers"]
    return {"summary": summary, "operationId": f"openInference_{name}", "responses": answers}


def _infer(config: ServeConfig) -> Json:
    good = "The outputs; those that are binary follow the JSON."
    content = json_content(ref("OpenInferenceAnswer")) | _BINARY
    answers = responses(good, content, (*_ERRORS, 422), error="OpenInferenceError")
    answers["200"]["headers"][JSON_BYTES_HEADER] = _JSON_BYTES
    return {
        "summary": "Classify pictures",
        "operationId": "openInference_infer",
        "parameters": [{"name": JSON_BYTES_HEADER, "in": "header", **_JSON_BYTES}],
        "requestBody": {
            "required": True,
            "description": f"At most {config.max_body_bytes // MEBIBYTE} MiB, and {config.max_pictures} pictures.",
            "content": json_content(ref("OpenInferenceRequest")) | _BINARY,
        },
        "responses": answers,
    }


def schemas() -> Json:
    """The schemas that the routes refer to."""
    sides = array({"type": "integer", "minimum": 1}, minItems=1, maxItems=4)
    data = {"shape": sides, "parameters": _OBJECT, "data": {"type": "array"}}
    given = {"name": {"const": "image"}, "datatype": {"enum": ["BYTES", "UINT8"]}, **data}
    wanted = {"name": {"enum": ["probabilities", "label"]}, "parameters": _OBJECT}
    answered = {"name": _TEXT, "datatype": {"enum": ["FP32", "BYTES"]}, **data}
    inputs = array(fields(given, optional=["parameters", "data"]), minItems=1, maxItems=1)
    outputs = array(fields(answered, optional=["parameters", "data"]), minItems=1)
    asked = {
        "id": _TEXT,
        "parameters": _OBJECT,
        "inputs": inputs,
        "outputs": array(fields(wanted, optional=["parameters"])),
    }
    answer = {"model_name": _TEXT, "model_version": _TEXT, "id": _TEXT, "outputs": outputs}
    return {
        "OpenInferenceError": fields({"error": _TEXT}, additionalProperties=False),
        "OpenInferenceRequest": fields(asked, optional=["id", "parameters", "outputs"]),
        "OpenInferenceAnswer": fields(answer, optional=["id"]),
    }
