"""The description of a request that classifies pictures."""

from container.serve.config import MEBIBYTE, ServeConfig
from container.serve.openapi.parts import Json, array, fields, ref, responses
from container.serve.replies import ATTRIBUTES_HEADER

_FILE: Json = {"type": "string", "format": "binary"}

_ERRORS = (400, 406, 413, 415, 422, 500, 504)


def operation(config: ServeConfig, *, many_models: bool) -> Json:
    """`POST /invocations`, or the same of one of many models."""
    content = {
        "image/*": {"schema": _FILE},
        "application/x-image": {"schema": _FILE},
        "application/octet-stream": {"schema": _FILE},
        "application/x-npy": {"schema": _FILE},
        "application/json": {"schema": ref("Pictures")},
        "multipart/form-data": {
            "schema": {"type": "object", "additionalProperties": _FILE, "minProperties": 1},
        },
    }
    answer = {
        "application/json": {
            "schema": {"anyOf": [ref("Answer"), ref("Answers"), ref("Indices"), ref("Scores"), array(ref("Scores"))]}
        },
        "application/jsonlines": {"schema": {"type": "string"}},
        "text/csv": {"schema": {"type": "string"}},
        "application/x-npy": {"schema": _FILE},
    }
    return {
        "summary": "Classify pictures",
        "operationId": "invoke",
        "description": "Pictures are files of JPEG, PNG, WebP, GIF, BMP, TIFF, PPM or AVIF, or arrays of uint8. The type "
        "of the answer is what Accept asks for, also with the parameters format=index, format=scores and explain=true.",
        "parameters": [
            {
                "name": ATTRIBUTES_HEADER,
                "in": "header",
                "description": "Words of your own, which come back. Of them, format=… and explain=… count where Accept "
                "has none.",
                "schema": {"type": "string", "maxLength": 1024},
            }
        ],
        "requestBody": {
            "required": True,
            "description": f"At most {config.max_body_bytes // MEBIBYTE} MiB, with at most {config.max_pictures} pictures.",
            "content": content,
        },
        "responses": responses(
            "What each picture shows.",
            answer,
            (*_ERRORS, 404) if many_models else _ERRORS,
            {ATTRIBUTES_HEADER: ref("CustomAttributes", "headers")},
        ),
    }


def schemas(config: ServeConfig) -> Json:
    """What `operation` refers to."""
    text: Json = {"type": "string", "contentEncoding": "base64", "minLength": 1}
    number: Json = {"type": "number", "minimum": 0, "maximum": 1}
    prediction = fields({"label": {"type": "string"}, "index": {"type": "integer", "minimum": 0}, "probability": number})
    of_one: Json = array(ref("Prediction"), minItems=1, maxItems=config.top_k)
    explain = ref("Explain")
    instance = {"anyOf": [text, fields({"b64": text, "explain": explain}, optional=["explain"])]}
    return {
        "Pictures": {
            "description": "One picture or a list of them, each a file in base64.",
            "anyOf": [
                text,
                fields({"image": text, "explain": explain}, optional=["explain"]),
                fields(
                    {
                        "instances": array(instance, minItems=1, maxItems=config.max_pictures),
                        "explain": explain,
                    },
                    optional=["explain"],
                ),
            ],
        },
        "Explain": {
            "description": "Whether, and how, to show where the network saw a class; of which one, the most probable "
            "unless it is named.",
            "anyOf": [
                {"type": "boolean"},
                {
                    "type": "object",
                    "properties": {
                        "label": {"type": ["string", "null"]},
                        "index": {"type": ["integer", "null"], "minimum": 0},
                        "view": {"enum": ["overlay", "map"]},
                        "size": {"type": "integer", "minimum": 1, "maximum": 1024},
                    },
                    "additionalProperties": False,
                },
            ],
        },
        "Prediction": prediction,
        "Explanation": fields(
            {
                "label": {"type": "string"},
                "index": {"type": "integer", "minimum": 0},
                "method": {"type": "string"},
                "layer": {"type": "string"},
                "width": {"type": "integer", "minimum": 1},
                "height": {"type": "integer", "minimum": 1},
                "image": {"type": "string", "contentEncoding": "base64", "contentMediaType": "image/png"},
            }
        ),
        "Answer": fields(
            {"predictions": of_one, "explanation": {"anyOf": [ref("Explanation"), {"type": "null"}]}},
            optional=["explanation"],
        ),
        "Answers": fields(
            {
                "predictions": array(of_one),
                "explanations": array({"anyOf": [ref("Explanation"), {"type": "null"}]}),
            },
            optional=["explanations"],
        ),
        "Indices": array({"type": "integer", "minimum": 0}, minItems=1),
        "Scores": array(number, minItems=1),
    }
