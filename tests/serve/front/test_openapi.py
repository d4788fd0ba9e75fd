"""GET /openapi.json says what the server does: requests made up from it, good and bad, get answers that are in it."""

import base64
import io
import itertools
import json
import re
from collections import defaultdict
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

from container.serve.front.openapi.document import description
from container.serve.settings.config import ServeConfig
from tests.serve.conftest import CLASSES, jpeg
from tests.serve.many_models import MULTI, ManyModels, put_code, put_model
from tests.serve.server_process import PATIENCE_S, REPOSITORY, ServerProcess

DESCRIBED = {
    "SLIPWAY_OPENAPI": "true",
    "SAGEMAKER_MAX_PAYLOAD_IN_MB": "1",
    "SLIPWAY_MAX_PICTURES": "8",
    "SLIPWAY_REJECT_BELOW": "0.5",
    "SLIPWAY_OUT_OF_DISTRIBUTION": "2.5",
}
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
ARRAYS = st.builds(array, st.lists(st.integers(1, 8), min_size=2, max_size=3).map(tuple))
BASE64 = st.builds(
    lambda data, before: before + base64.b64encode(data).decode(),
    FILES,
    st.sampled_from(["", "data:image/png;base64,"]),
)

LINES = st.lists(BASE64, min_size=1, max_size=3).map(
    lambda files: "".join(f"{json.dumps(f)}\n" for f in files).encode()
)

for kind in ("image/*", "application/x-image", "application/octet-stream", "binary/octet-stream"):
    schemathesis.openapi.media_type(kind, FILES)
schemathesis.openapi.media_type("application/jsonlines", LINES)
schemathesis.openapi.media_type("application/x-npy", ARRAYS)
schemathesis.openapi.format("binary", FILES)
schemathesis.openapi.format("base64-picture", BASE64)
# What is loaded and unloaded is another one than what is asked.
schemathesis.openapi.format("asked-model", st.sampled_from(["first", "gone"]))
schemathesis.openapi.format("loaded-model", st.sampled_from(["second", "ä/b", "?"]))

ACCEPTS = (
    "*/*", "application/json;format=index", "application/json;format=scores", "text/csv", "text/csv;format=scores",
    "application/jsonlines", "application/jsonlines;format=scores", "application/x-npy", "image/png",
    "application/json;explain=true", "text/*;q=0.5, application/json;q=0.1",
)  # fmt: skip

accepts = itertools.cycle(ACCEPTS)

TYPES = {"application/json", "application/jsonlines", "text/csv", "application/x-npy"}
# What these are answered is data's own business: what of a good request cannot be had, and what a bad one is told.
ACCEPTED = {"expected-statuses": ["2xx", "404", "406", "409"]}
REFUSED = {"expected-statuses": ["400", "404", "405", "406", "409", "413", "415", "422"]}
CONFIG = {
    "request-timeout": PATIENCE_S,
    "generation": {"deterministic": True, "max-examples": 60, "database": "none"},
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


@schemathesis.check
def an_error_has_its_form_whatever_was_asked(_context: Any, response: Any, _case: schemathesis.Case) -> None:
    """Also where the method is none that is described."""
    if response.status_code >= 400:
        error = response.json()["error"]
        assert [error["status"], error["request_id"]] == [response.status_code, *response.headers["x-request-id"]]


class Answered:
    """What there was in answer to all that can be made up from a description."""

    def __init__(self) -> None:
        self.statuses: dict[str, set[int]] = defaultdict(set)
        """By operation."""
        self.types: dict[str, set[str]] = defaultdict(set)
        """Of what was answered 200."""
        self.failures: list[str] = []

    def note(self, recorder: Any) -> None:
        for key, exchange in recorder.interactions.items():
            assert exchange.response is not None, recorder.label
            self.statuses[recorder.label].add(exchange.response.status_code)
            if exchange.response.status_code == 200:
                self.types[recorder.label].update(exchange.response.headers.get("content-type", ()))
            failed = (check for check in recorder.checks.get(key, ()) if check.status == Status.FAILURE)
            self.failures += [told(recorder.cases[key].value, exchange, check) for check in failed]


def ask_all(server: ServerProcess, described: Any) -> Answered:
    """Make up requests, send them, and check every answer by the description."""
    schema = schemathesis.openapi.from_dict(described, config=SchemathesisConfig.from_dict(CONFIG))
    schema.config.update(base_url=f"http://127.0.0.1:{server.port}")
    answered = Answered()
    for found in schemathesis.engine.from_schema(schema).execute():
        assert not isinstance(found, (events.NonFatalError, events.FatalError)), found
        if isinstance(found, events.ScenarioFinished):
            answered.note(found.recorder)
    assert not answered.failures, "\n\n".join(answered.failures[:10])
    return answered


def told(case: schemathesis.Case, exchange: Any, check: Any) -> str:
    """A failure, short enough to be read."""
    request, response = exchange.request, exchange.response
    return (
        f"{check.name}: {check.failure_info.failure.title}: {check.failure_info.failure.message[:300]}\n"
        f"  {request.method} {request.uri[:200]} {request.headers} {str(case.body)[:200]}\n"
        f"  {response.status_code} {response.content[:300]!r}"
    )


def test_one_model_answers_as_it_says(one: ServerProcess) -> None:
    answered = ask_all(one, known(document(one)))
    assert answered.types["POST /invocations"] == TYPES
    assert answered.statuses["POST /invocations"] >= {200, 400, 405, 406, 415}
    for path in ("/ping", "/execution-parameters", "/openapi.json"):
        assert answered.statuses[f"GET {path}"] == {200, 405}


def test_many_models_answer_as_they_say(many: ManyModels) -> None:
    assert many.load("first").status == 200
    described = known(document(many.server))
    paths = described["paths"]
    listing, loading = paths["/models"]["get"], paths["/models"]["post"]
    one = paths["/models/{model_name}"]
    [name] = one.pop("parameters")
    asked, loaded = ({**name["schema"], "format": kind} for kind in ("asked-model", "loaded-model"))
    one["get"]["parameters"] = [{**name, "schema": asked}]
    one["delete"]["parameters"] = [{**name, "schema": loaded}]
    paths["/models/{model_name}/invoke"]["parameters"] = [{**name, "schema": asked}]
    body = loading["requestBody"]["content"]["application/json"]["schema"]["properties"]
    body["model_name"], body["url"] = loaded, {"enum": [many.url("second"), many.url("nowhere")]}
    listing["parameters"][1]["schema"] = {"enum": ["", base64.urlsafe_b64encode(b"first").decode()]}
    answered = ask_all(many.server, described)
    assert answered.types["POST /models/{model_name}/invoke"] == TYPES
    assert answered.statuses["POST /models"] >= {200, 400, 409}
    assert answered.statuses["GET /models"] == {200, 400, 405}
    assert answered.statuses["GET /models/{model_name}"] == {200, 400, 404, 405}
    assert answered.statuses["DELETE /models/{model_name}"] >= {200, 400, 404}
    assert answered.statuses["POST /models/{model_name}/invoke"] >= {200, 400, 405, 406, 415}


def test_the_documents_are_openapi_3_1(one: ServerProcess, many: ManyModels, model_dir: Path, tmp_path: Path) -> None:
    put_code(tmp_path, "own", "")
    own = ServeConfig.from_environment(model_dir=tmp_path / "models" / "own" / "model")
    for described in (document(one), document(many.server), json.loads(description(own).body)):
        assert described["openapi"] == "3.1.0"
        OpenAPIV31SpecValidator(described).validate()
    # What such a model takes and gives is its own.
    invocation = described["paths"]["/invocations"]["post"]
    assert [*invocation["requestBody"]["content"]] == [*invocation["responses"]["200"]["content"]] == ["*/*"]
    assert "default" in invocation["responses"]


def test_the_statuses_are_those_of_the_manual(one: ServerProcess, many: ManyModels) -> None:
    manual = (REPOSITORY / "docs" / "serving.md").read_text()
    [table] = re.findall(r"^\| status \| when \|\n(.*?)\n\n", manual, re.MULTILINE | re.DOTALL)
    statuses = {
        status
        for row in table.splitlines()[1:]
        for status in row.split("|")[1].split(", ")
        for status in [status.strip()]
    }
    invocation = document(one)["paths"]["/invocations"]["post"]
    assert {*invocation["responses"]} == statuses - {"404", "405"} | {"200"}
    paths = document(many.server)["paths"]
    assert {*paths["/models/{model_name}/invoke"]["post"]["responses"]} == statuses - {"405"} | {"200"}
    [loading] = re.findall(r"^\| `POST /models` \| (.*) \|$", manual, re.MULTILINE)
    described = {*paths["/models"]["post"]["responses"]}
    assert {*re.findall(r"\b\d{3}\b", loading)} == described - {"408", "413", "431"}


def test_nothing_is_described_unless_that_is_wanted(server: ServerProcess) -> None:
    answer = server.request("GET", "/openapi.json")
    assert (answer.status, "there is nothing here" in answer.error) == (404, True)


def test_a_description_tells_nothing_of_the_model_or_the_machine(one: ServerProcess, many: ManyModels) -> None:
    for server in (one, many.server):
        text = server.request("GET", "/openapi.json").body.decode()
        assert not [secret for secret in ("dog", "bird", "resnet", str(many.base), "/tmp", "/opt") if secret in text]
        assert not re.search(r"python|torch|uvicorn|java", text, re.IGNORECASE)
