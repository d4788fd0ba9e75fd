"""GET /openapi.json says what the server does: requests made up from it, good and bad, get answers that are in it."""

import base64
import io
import itertools
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import schemathesis
import schemathesis.engine
from hypothesis import strategies as st
from openapi_spec_validator import OpenAPIV31SpecValidator
from PIL import Image
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import Status, events

from tests.serve.conftest import CLASSES, StartServer, jpeg
from tests.serve.many_models import MULTI, ManyModels, put_code, put_model
from tests.serve.server_process import ServerProcess

DESCRIBED = {"SLIPWAY_OPENAPI": "true", "SAGEMAKER_MAX_PAYLOAD_IN_MB": "1", "SLIPWAY_MAX_PICTURES": "8"}
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF")


def file(kind: str, seed: int) -> bytes:
    data = io.BytesIO()
    Image.open(io.BytesIO(jpeg(seed))).save(data, kind)
    return data.getvalue()


def array(sides: tuple[int, ...]) -> bytes:
    data = io.BytesIO()
    np.save(data, np.zeros((*sides, 3), np.uint8))
    return data.getvalue()


FILES = st.builds(file, st.sampled_from(FORMATS), st.integers(0, 5))
ARRAYS = st.builds(array, st.lists(st.integers(1, 20), min_size=2, max_size=3).map(tuple))
BASE64 = st.builds(
    lambda data, before: before + base64.b64encode(data).decode(), FILES, st.sampled_from(["", "data:image/png;base64,"])
)

for kind in ("image/*", "application/x-image", "application/octet-stream"):
    schemathesis.openapi.media_type(kind, FILES)
schemathesis.openapi.media_type("application/x-npy", ARRAYS)
schemathesis.openapi.format("binary", FILES)
schemathesis.openapi.format("base64-picture", BASE64)

ACCEPTS = (
    "*/*", "application/json;format=index", "application/json;format=scores", "text/csv", "text/csv;format=scores",
    "application/jsonlines", "application/jsonlines;format=scores", "application/x-npy", "application/json;explain=true",
    "image/png", "text/*;q=0.5, application/json;q=0.1",
)  # fmt: skip

accepts = itertools.cycle(ACCEPTS)

# What these are answered is data's own business: what of a good request cannot be had, and what a bad one is told.
ACCEPTED = {"expected-statuses": ["2xx", "404", "406", "409"]}
REFUSED = {"expected-statuses": ["400", "404", "405", "406", "409", "413", "415", "422"]}
CONFIG = {
    "generation": {"deterministic": True, "max-examples": 25, "database": "none"},
    "checks": {"positive_data_acceptance": ACCEPTED, "negative_data_rejection": REFUSED},
    "phases": {"stateful": {"enabled": False}},
    "continue-on-failure": True,
}


@pytest.fixture(scope="module")
def one(model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    yield from running(ServerProcess(model_dir.parent, tmp_path_factory.mktemp("log"), **DESCRIBED))


@pytest.fixture(scope="module")
def many(model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ManyModels]:
    base = tmp_path_factory.mktemp("many")
    for name in ("first", "second"):
        put_model(base, name, model_dir)
    for server in running(ServerProcess(base, tmp_path_factory.mktemp("log"), **DESCRIBED, **MULTI)):
        yield ManyModels(server, base)


def running(server: ServerProcess) -> Iterator[ServerProcess]:
    try:
        server.await_ready()
        yield server
        assert server.ping().status == 200
        assert "event=bug" not in server.log
        assert server.stop() == 0, server.log + server.errors
        assert server.errors == ""
    finally:
        server.kill()


def document(server: ServerProcess) -> Any:
    answer = server.request("GET", "/openapi.json")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    return answer.json


@schemathesis.hook
def before_call(_context: Any, case: schemathesis.Case, _kwargs: Any) -> None:
    """OpenAPI has no word for Accept beside the types themselves."""
    if case.operation.definition.raw.get("operationId") == "invoke":
        case.headers["Accept"] = next(accepts)


def known(described: Any) -> Any:
    """With what only the model's owner knows, so that good requests can be made up: its classes, and real pictures."""
    text = json.dumps(described).replace('"contentEncoding": "base64", "minLength": 1', '"format": "base64-picture"')
    described = json.loads(text)
    options = described["components"]["schemas"]["Explain"]["anyOf"][1]["properties"]
    options["label"] = {"enum": [*CLASSES, None]}
    options["index"]["maximum"] = len(CLASSES) - 1
    return described


def answered(server: ServerProcess, described: Any) -> dict[str, Counter[int]]:
    """Ask the server all that can be made up from its description, and check every answer by it; the statuses that
    there were, by operation."""
    schema = schemathesis.openapi.from_dict(described, config=SchemathesisConfig.from_dict(CONFIG))
    schema.config.update(base_url=f"http://127.0.0.1:{server.port}")
    statuses: dict[str, Counter[int]] = {}
    failures = []
    for found in schemathesis.engine.from_schema(schema).execute():
        if isinstance(found, (events.NonFatalError, events.FatalError)):
            failures.append(str(found))
        if not isinstance(found, events.ScenarioFinished):
            continue
        for key, exchange in found.recorder.interactions.items():
            assert exchange.response is not None
            statuses.setdefault(found.recorder.label, Counter())[exchange.response.status_code] += 1
            for check in found.recorder.checks.get(key, ()):
                if check.status == Status.FAILURE:
                    failures.append(told(found.recorder.cases[key].value, exchange, check))
    assert not failures, "\n\n".join(failures[:10])
    return statuses


def told(case: schemathesis.Case, exchange: Any, check: Any) -> str:
    """A failure, short enough to be read."""
    request, response = exchange.request, exchange.response
    return (
        f"{check.name}: {check.failure_info.failure.title}: {check.failure_info.failure.message[:300]}\n"
        f"  {request.method} {request.uri[:200]} {request.headers} {str(case.body)[:200]}\n"
        f"  {response.status_code} {response.content[:300]!r}"
    )


def test_one_model_answers_as_it_says(one: ServerProcess) -> None:
    statuses = answered(one, known(document(one)))
    print(statuses)


def test_many_models_answer_as_they_say(many: ManyModels) -> None:
    assert many.load("first").status == 200
    described = known(document(many.server))
    print(answered(many.server, described))


def test_the_documents_are_openapi_3_1(one: ServerProcess, many: ManyModels) -> None:
    for server in (one, many.server):
        described = document(server)
        assert described["openapi"] == "3.1.0"
        OpenAPIV31SpecValidator(described).validate()
