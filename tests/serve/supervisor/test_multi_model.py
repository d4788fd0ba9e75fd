"""What SageMaker asks a container of a multi-model endpoint, asked of a real server."""

import base64
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.serve.conftest import CLASSES, diverge, remove_network
from tests.serve.many_models import MULTI, ManyModels, put_code, put_model
from tests.serve.server_process import Answer, ServerProcess, await_true

CODE = "def model_fn(model_dir):\n    return model_dir\n\ndef transform_fn(model, body, content_type, accept):\n"


@pytest.fixture(scope="module")
def shared(model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ManyModels]:
    base = tmp_path_factory.mktemp("many")
    for name in ("first", "second", "third"):
        put_model(base, name, model_dir)
    put_code(base, "code", CODE + "    return model")
    server = ServerProcess(base, tmp_path_factory.mktemp("log"), SLIPWAY_KSERVE="true", **MULTI)
    try:
        server.await_ready()
        yield ManyModels(server, base)
        assert server.stop() == 0, server.log + server.errors
        assert server.errors == ""
    finally:
        server.kill()


@pytest.fixture
def many(shared: ManyModels) -> Iterator[ManyModels]:
    """The shared server; whatever happens, without a model and without a process of one."""
    before = shared.processes
    assert shared.names == []
    yield shared
    shared.unload_all()
    assert shared.processes == before
    assert shared.server.ping().status == 200


def test_a_models_life(many: ManyModels, picture: bytes):
    assert many.load("first").status == 200
    assert many.names == ["first"]
    assert many.get("first").json == {"modelName": "first", "modelUrl": many.url("first")}
    answer = many.invoke("first", picture)
    assert answer.status == 200
    assert {prediction["label"] for prediction in answer.json["predictions"]} == set(CLASSES)
    again = many.load("first")
    assert (again.status, "is loaded already" in again.error) == (409, True)
    assert many.unload("first").status == 200
    for gone in (many.unload("first"), many.get("first"), many.invoke("first", picture)):
        assert (gone.status, gone.error) == (404, "no model of this name is loaded")
    assert many.load("first").status == 200
    assert many.invoke("first", picture).body == answer.body


@pytest.mark.parametrize("name", ["a/b", "..", "../../x", "ä %2F?#", "first/invoke", '"\n', "0" * 1024])
def test_a_name_is_any_text(name: str, many: ManyModels, picture: bytes):
    assert many.load(name, many.url("second")).status == 200
    assert many.names == [name]
    assert many.get(name).json["modelName"] == name
    assert many.invoke(name, picture).status == 200
    assert many.unload(name).status == 200


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "[]",
        '"first"',
        '{"model_name": "first"}',
        '{"model_name": 1, "url": "/"}',
        '{"model_name": "first", "url": null}',
        '{"model_name": "", "url": "/"}',
        '{"model_name": "\\ud800", "url": "/"}',
        json.dumps({"model_name": "n" * 1025, "url": "/"}),
        b"\xff",
        "[" * 60000,
    ],
)
def test_a_malformed_request_to_load_is_a_400(body: str | bytes, many: ManyModels):
    answer = many.post_models(body)
    assert (answer.status, bool(answer.error)) == (400, True)


def test_a_request_to_load_is_no_larger_than_it_may_be(many: ManyModels):
    answer = many.post_models(" " * 65537)
    assert (answer.status, answer.error) == (413, "the request's body is larger than 65536 bytes")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "first/model",
        "/etc",
        "/",
        "{models}",
        "{models}/",
        "{models}/../model",
        "{models}/first/../first/model",
        "{models}/outside/model",
        "{models}/loop/model",
        "{models}/first/model\0",
        "file://{models}/first/model",
        "FILE:{models}/first/model",
        "http://169.254.169.254/latest/meta-data",
        "https://127.0.0.1/model.mar",
        "s3://bucket/model.tar.gz",
        "//169.254.169.254/model",
        "{models}/" + "x" * 5000,
    ],
)
def test_only_a_directory_below_models_is_loaded(url: str, many: ManyModels, tmp_path: Path, model_dir: Path):
    models = many.base / "models"
    (models / "outside").mkdir(exist_ok=True)
    outside = models / "outside" / "model"
    outside.unlink(missing_ok=True)
    outside.symlink_to(model_dir)
    (models / "loop").mkdir(exist_ok=True)
    (models / "loop" / "model").unlink(missing_ok=True)
    (models / "loop" / "model").symlink_to(models / "loop" / "model")
    answer = many.load("x", url.replace("{models}", str(models)))
    assert answer.status == 400
    assert answer.error == f"url must be a path below {models}, where SageMaker puts the models"


def test_what_is_not_there_and_what_is_a_file(many: ManyModels, model_dir: Path):
    answer = many.load("nowhere")
    assert (answer.status, answer.error) == (404, f"there is nothing at {many.url('nowhere')}")
    answer = many.load("file", many.url("first") + "/model.json")
    assert answer.status == 400, "a link to outside"
    (many.base / "models" / "file.tar.gz").touch()
    answer = many.load("file", f"{many.base}/models/file.tar.gz")
    assert (answer.status, "is a file" in answer.error) == (422, True)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda directory: (directory / "model.json").unlink(), "no model in"),
        (lambda directory: remove_network(directory), "the model is incomplete"),
        (lambda directory: replace(directory / "model.json", b"{"), "cannot be read as JSON"),
        (lambda directory: replace(directory / "model.safetensors", b"damaged"), "model.safetensors"),
        (lambda directory: replace(directory / "model.json", b"{}"), "model.json"),
        (lambda directory: diverge(directory), "the model's outputs are not numbers"),
    ],
    ids=["no card", "no tensors", "no json", "damaged tensors", "empty card", "outputs that are not numbers"],
)
def test_a_damaged_model_is_a_422_and_leaves_nothing(damage, message: str, many: ManyModels, model_dir: Path, request):
    directory = put_model(many.base, f"damaged {request.node.callspec.id}", model_dir)
    damage(directory)
    answer = many.load("damaged", str(directory))
    assert (answer.status, message in answer.error) == (422, True), answer.error
    assert many.get("damaged").status == 404


def replace(path: Path, content: bytes) -> None:
    path.unlink()
    path.write_bytes(content)


def test_a_models_own_code(many: ManyModels):
    assert many.load("code").status == 200
    assert many.invoke("code", "hello", "text/csv").body.decode() == many.url("code")


def test_code_that_cannot_be_loaded_is_a_422(many: ManyModels):
    put_code(many.base, "broken", "def model_fn(model_dir):\n    raise OSError('the disk is gone')\n")
    answer = many.load("broken")
    assert (answer.status, answer.error) == (422, "inference.py failed: OSError: the disk is gone")
    assert "raise OSError('the disk is gone')" in many.server.log


def test_invocations_have_all_that_they_have_with_one_model(many: ManyModels, pictures: list[bytes]):
    many.load("first")
    many.load("second")
    assert many.invoke("first", pictures[0], Accept="text/csv").headers["content-type"] == "text/csv"
    assert many.invoke("first", pictures[0], Accept="image/png").status == 406
    assert many.invoke("first", b"not a picture").status == 422
    assert many.invoke("first", b"").status == 400
    explained = many.invoke("second", pictures[0], Accept="application/json;explain=true")
    assert "explanation" in explained.json["predictions"][0] or "explanation" in explained.json
    many.invoke("first", pictures[0], **{"X-Amzn-SageMaker-Target-Model": "dogs/terriers.tar.gz"})
    await_true(lambda: "target=dogs/terriers.tar.gz" in many.server.log, "the request is logged")
    alone = [many.invoke("first", picture).body for picture in pictures]
    with ThreadPoolExecutor(16) as pool:
        names = ["first", "second"] * len(pictures)
        answers = list(pool.map(many.invoke, names, [picture for picture in pictures for _ in range(2)]))
    assert [answer.status for answer in answers] == [200] * len(names)
    labels = [json.loads(body)["predictions"][0]["label"] for body in alone for _ in range(2)]
    assert [answer.json["predictions"][0]["label"] for answer in answers] == labels
    lines = [many.server.request_lines(answer)[0] for answer in answers]
    assert max(int(line["batch"]) for line in lines) > 1
    assert len({line["worker"] for line in lines}) == 2


def test_the_list_comes_in_pages(many: ManyModels):
    for name in ("c", "ä", "a/1"):
        many.load(name, many.url("first"))
    seen, token = [], ""
    for _ in range(3):
        answer = many.server.request("GET", f"/models?page_size=1&next_page_token={token}").json
        seen += [model["modelName"] for model in answer["models"]]
        token = answer.get("nextPageToken", "")
    assert (seen, token) == (["a/1", "c", "ä"], "")
    sizes = ("page_size=0", "page_size=1001", "page_size=x", "page_size=")
    for query in (*sizes, "next_page_token=!", "next_page_token=%FF"):
        assert many.server.request("GET", f"/models?{query}").status == 400


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("POST", "/invocations", 404, None),
        ("GET", "/invocations", 404, None),
        ("PUT", "/models", 405, "POST, GET, HEAD"),
        ("DELETE", "/models", 405, "POST, GET, HEAD"),
        ("PUT", "/models/x", 405, "GET, HEAD, DELETE"),
        ("PUT", "/models/x/invoke", 405, "POST"),
        ("GET", "/models/x/invoke", 405, "POST"),
        ("HEAD", "/models/x/invoke", 405, "POST"),
        ("DELETE", "/models/x/invoke", 405, "POST"),
        ("POST", "/models/invoke", 405, "GET, HEAD, DELETE"),
        ("POST", "/models//invoke", 400, None),
        ("GET", "/openapi.json", 404, None),
        ("POST", "/ping", 405, "GET, HEAD"),
        ("GET", "/models/%FF", 400, None),
        ("GET", "/modelsx", 404, None),
        ("GET", "/", 404, None),
        ("GET", "/api-description", 404, None),
        ("POST", "/models?url=http://169.254.169.254/evil.mar&initial_workers=1", 400, None),
        ("PUT", "/models/m1?min_worker=9", 405, "GET, HEAD, DELETE"),
        ("POST", "/predictions/m1", 404, None),
    ],
)
def test_everything_else_is_refused(method: str, path: str, status: int, allow: str | None, many: ManyModels):
    answer = many.server.request(method, path)
    assert (answer.status, answer.headers.get("allow")) == (status, allow)
    assert method == "HEAD" or answer.error


def test_head_is_answered_as_get(many: ManyModels):
    for path in ("/models", "/models/nothing"):
        got, head = (many.server.request(method, path) for method in ("GET", "HEAD"))
        assert (head.status, head.headers["content-length"], head.body) == (got.status, str(len(got.body)), b"")


def test_one_models_server_has_no_models_routes(server: ServerProcess):
    for method in ("GET", "POST", "DELETE", "PUT"):
        for path in ("/models", "/models/model", "/models/model/invoke"):
            assert server.request(method, path).status == 404


def test_loaded_models_answer_the_open_inference_protocol(many: ManyModels, picture: bytes):
    body = {
        "inputs": [{"name": "image", "datatype": "BYTES", "shape": [1], "data": [base64.b64encode(picture).decode()]}]
    }

    def ask(model: str, verb: str = "") -> Answer:
        route = f"/v2/models/{quote(model, safe='')}{verb}"
        return many.server.request("POST" if verb == "/infer" else "GET", route, json.dumps(body))

    assert (ask("a/b", "/infer").status, ask("a/b", "/ready").status, ask("a/b").status) == (404, 404, 404)
    assert many.load("a/b", many.url("first")).status == 200
    assert many.load("code").status == 200
    assert ask("a/b", "/ready").json == {"name": "a/b", "ready": True}
    assert ask("a/b").json["outputs"][0]["shape"] == [-1, len(CLASSES)]
    answer = ask("a/b", "/infer")
    assert (answer.status, answer.json["model_name"]) == (200, "a/b")
    [best] = json.loads(many.invoke("a/b", picture, Accept="application/json;format=index").body)
    assert answer.json["outputs"][1]["data"] == [CLASSES[best]]
    for verb in ("", "/infer"):
        answer = ask("code", verb)
        assert (answer.status, "code of its own" in answer.json["error"]) == (400, True)
