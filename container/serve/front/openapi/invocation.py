"""OpenAPI: the request that classifies pictures."""

from container.serve.front.openapi.parts import Json, array, fields, json_content, ref, responses
from container.serve.protocol.accept import CSV, JSON, JSON_LINES, NPY
from container.serve.protocol.explain_request import LARGEST
from container.serve.protocol.replies import ATTRIBUTES_HEADER
from container.serve.settings.config import MEBIBYTE, ServeConfig

_FILE: Json = {"type": "string", "format": "binary"}
_NULL: Json = {"type": "null"}

_ERRORS = (400, 406, 413, 415, 422, 500, 503, 504)


def operation(config: ServeConfig, *, many_models: bool) -> Json:
    """Describe `POST /invocations`, or the same request to one of many models."""
    own_code = config.own_code
    answers = responses(
        "What each picture shows.",
        {"*/*": {}} if own_code else _answers(),
        (*_ERRORS, 404) if many_models else _ERRORS,
        {ATTRIBUTES_HEADER: ref("CustomAttributes", "headers")},
    )
    if own_code:
        answers["default"] = {
            "description": "An answer of the model's own code.",
            "headers": {"X-Request-Id": ref("RequestId", "headers")},
            "content": json_content(ref("Error")) | {"*/*": {}},
        }
    return {
        "summary": "Classify pictures",
        "operationId": "invoke",
        "description": _described(config, many_models=many_models),
        "parameters": [
            {
                "name": ATTRIBUTES_HEADER,
                "in": "header",
                "description": "Custom attributes, which are echoed. Their format=… and explain=… count where Accept "
                "has none.",
                "schema": {"type": "string", "maxLength": 1024},
            }
        ],
        "requestBody": {
            "required": True,
            "description": f"At most {config.max_body_bytes // MEBIBYTE} MiB.",
            "content": {"*/*": {}} if own_code else _bodies(),
        },
        "responses": answers,
    }


def _described(config: ServeConfig, *, many_models: bool) -> str:
    if config.own_code:
        return "The model has code of its own, which determines the types of requests and answers."
    own_code = " The code of a model that has its own determines its types of requests and answers."
    return (
        f"Up to {config.max_pictures} pictures: files of JPEG, PNG, WebP, GIF, BMP, TIFF, PPM, AVIF, "
        "JPEG 2000 or TGA, or arrays of "
        "uint8. A body without a type is taken for a file. The type of the answer is chosen by Accept, which may have "
        "the parameters format=index, format=scores and explain=true." + (own_code if many_models else "")
    )


def _bodies() -> Json:
    return {
        "image/*": {"schema": _FILE},
        "application/x-image": {"schema": _FILE},
        "application/octet-stream": {"schema": _FILE},
        "binary/octet-stream": {"schema": _FILE},
        "application/x-npy": {"schema": _FILE},
        "application/json": {"schema": ref("Pictures")},
        JSON_LINES: {"schema": {"type": "string"}},
        "multipart/form-data": {"schema": ref("Form")},
    }


def _answers() -> Json:
    names = ("Answer", "Answers", "Indices", "Scores")
    return {
        JSON: {"schema": {"anyOf": [*map(ref, names), array(ref("Scores"), minItems=1)]}},
        JSON_LINES: {"schema": {"type": "string"}},
        CSV: {"schema": {"type": "string"}},
        NPY: {"schema": _FILE},
    }


def schemas(config: ServeConfig) -> Json:
    """The schemas that `operation` refers to."""
    form = fields(
        {"image": array(_FILE, minItems=1, maxItems=config.max_pictures)},
        description="Every part with a file name is a picture, whatever the part's name; others are ignored.",
    )
    return {"Pictures": _pictures(config), "Form": form, "Explain": _explain(), **_answered(config)}


def _pictures(config: ServeConfig) -> Json:
    text: Json = {"type": "string", "contentEncoding": "base64", "minLength": 1}
    explain = ref("Explain")
    instance = {"anyOf": [text, fields({"b64": text, "explain": explain}, optional=["explain"])]}
    instances = array(instance, minItems=1, maxItems=config.max_pictures)
    return {
        "description": "One picture or a list of them, each a file in base64.",
        "anyOf": [
            text,
            *(fields({name: text, "explain": explain}, optional=["explain"]) for name in ("image", "b64")),
            fields({"instances": instances, "explain": explain}, optional=["explain"]),
        ],
    }


def _explain() -> Json:
    both = fields({"label": {"type": "string"}, "index": {"type": "integer"}})
    return {
        "description": "Whether, and how, to show where the network saw a class: the one that is named, or the most "
        "probable one.",
        "anyOf": [
            {"type": "boolean"},
            {
                "type": "object",
                "properties": {
                    "label": {"type": ["string", "null"]},
                    "index": {"type": ["integer", "null"], "minimum": 0},
                    "view": {"enum": ["overlay", "map"]},
                    "size": {"type": "integer", "minimum": 1, "maximum": LARGEST},
                },
                "additionalProperties": False,
                "not": both,
            },
        ],
    }


def _answered(config: ServeConfig) -> Json:
    number: Json = {"type": "number", "minimum": 0, "maximum": 1}
    index: Json = {"type": "integer", "minimum": 0}
    flag: Json = {"type": "boolean"}
    side: Json = {"type": "integer", "minimum": 1, "maximum": LARGEST}
    of_one: Json = array(ref("Prediction"), minItems=1, maxItems=config.top_k)
    explanations = array({"anyOf": [ref("Explanation"), _NULL]}, minItems=1)
    return {
        "Prediction": fields({"label": {"type": "string"}, "index": index, "probability": number}),
        "Explanation": fields(
            {
                "label": {"type": "string"},
                "index": index,
                "method": {"type": "string"},
                "layer": {"type": "string"},
                "width": side,
                "height": side,
                "image": {"type": "string", "contentEncoding": "base64", "contentMediaType": "image/png"},
            }
        ),
        "Answer": fields(
            {
                "predictions": of_one,
                "rejected": flag,
                "out_of_distribution": flag,
                "explanation": ref("Explanation"),
            },
            optional=["rejected", "out_of_distribution", "explanation"],
        ),
        "Answers": fields(
            {
                "predictions": array(of_one, minItems=1),
                "rejected": array(flag),
                "out_of_distribution": array(flag),
                "explanations": explanations,
            },
            optional=["rejected", "out_of_distribution", "explanations"],
        ),
        "Indices": array(index, minItems=1),
        "Scores": array(number, minItems=1),
    }
