"""A user's inference.py takes over: which functions, with which arguments, and what becomes of its errors."""

import base64
import io
import json
import os
import re
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from mms.context import Context
from PIL import Image

from container.artifact import load
from container.contract.errors import ArtifactError, ServeError
from container.serve.protocol.replies import Reply, Request, RequestHead
from container.serve.settings.config import ServeConfig
from container.serve.worker.user_code import UserCode
from tests.serve.rounding import ROUNDING
from tests.serve.server_process import Answer

Load = Callable[..., UserCode]

NUMBER = re.compile(rb"\d+\.\d+")


@pytest.fixture
def user_code(base_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Load]:
    """Load a script as model/code/inference.py, or under another name."""
    monkeypatch.setattr(sys, "path", sys.path[:])
    monkeypatch.setattr(os, "environ", dict(os.environ))

    def write_and_load(script: str, name: str = "inference.py", **settings: str) -> UserCode:
        (base_dir / "model" / "code" / name).write_text(textwrap.dedent(script))
        config = ServeConfig.from_environment({"SAGEMAKER_BASE_DIR": str(base_dir), **settings})
        return UserCode(config, torch.device("cpu"), Context("model", "", None, 1, None, ""))

    before = set(sys.modules)
    yield write_and_load
    for name in set(sys.modules) - before:
        if name in ("inference", "serving", "helper"):
            del sys.modules[name]


def ask(code: UserCode, body: bytes, content_type: str | None = "image/jpeg", accept: str | None = None) -> Reply:
    return code.answer([request(body, content_type, accept)])[0]


def request(
    body: bytes, content_type: str | None, accept: str | None, seconds: float = 60, attributes: str | None = None
) -> Request:
    head = RequestHead(
        request_id="id-1",
        content_type=content_type,
        accept=accept,
        deadline=time.monotonic() + seconds,
        attributes=attributes,
    )
    return Request(head, body)


def error_of(reply: Reply) -> str:
    fields = json.loads(reply.body)["error"]
    assert (fields["status"], fields["request_id"]) == (reply.status, "id-1")
    assert "Traceback" not in fields["message"]
    return fields["message"]


def test_all_four_functions(user_code: Load, base_dir: Path) -> None:
    code = user_code("""
        def model_fn(model_dir):
            return {"dir": model_dir}
        def input_fn(body, content_type):
            return (body, content_type)
        def predict_fn(data, model):
            return [*map(repr, data), model["dir"]]
        def output_fn(prediction, accept):
            return "|".join([*prediction, accept]), "text/x-mine"
    """)
    reply = ask(code, b"\x00abc", "application/x-any; a=b", "text/x-mine")
    assert (reply.status, reply.content_type) == (200, "text/x-mine")
    body, content_type, model_dir, accept = reply.body.decode().split("|")
    assert (body, content_type, accept) == (repr(b"\x00abc"), repr("application/x-any; a=b"), "text/x-mine")
    assert model_dir == str(base_dir / "model")


def test_json_and_csv_come_as_text(user_code: Load) -> None:
    code = user_code("""
        def model_fn(model_dir): pass
        def transform_fn(model, data, content_type, accept): return type(data).__name__
    """)
    assert ask(code, b"1", "text/csv").body == b"str"
    assert ask(code, b"1", "application/json").body == b"str"
    assert ask(code, b"1", "application/x-npy").body == b"bytes"
    reply = ask(code, b"\xff", "text/csv")
    assert (reply.status, error_of(reply)) == (400, "the body is not UTF-8")


def test_every_request_has_its_own_headers_and_status(user_code: Load) -> None:
    code = user_code("""
        def model_fn(model_dir): pass
        def transform_fn(model, data, content_type, accept):
            if data == b"bad":
                raise ValueError("no")
            return f"{content_type} {accept}", accept
    """)
    replies = code.answer([request(b"1", "a/b", "x/1"), request(b"bad", "c/d", "x/2"), request(b"3", "e/f", "x/3")])
    assert [reply.status for reply in replies] == [200, 500, 200]
    assert [replies[0].body, replies[2].body] == [b"a/b x/1", b"e/f x/3"]
    assert [replies[0].content_type, replies[2].content_type] == ["x/1", "x/3"]


def test_functions_may_ask_for_the_context(user_code: Load) -> None:
    code = user_code("""
        def model_fn(model_dir, context): return context.system_properties["model_dir"]
        def transform_fn(model, data, content_type, accept, context):
            return f"{context.get_request_header(0, 'Content-Type')} {context.get_request_id()} {model[-5:]}"
    """)
    assert ask(code, b"", "a/b").body == b"a/b id-1 model"


def test_only_output_fn(user_code: Load, picture: bytes) -> None:
    code = user_code("""
        def output_fn(prediction, accept):
            return {"shape": list(prediction.shape), "sum": round(float(prediction.sum()), 3)}
    """)
    assert json.loads(ask(code, picture).body) == {"shape": [1, 3], "sum": 1.0}


def test_only_input_fn(user_code: Load, picture: bytes, server, model_dir: Path) -> None:
    code = user_code("""
        import io
        from PIL import Image
        def input_fn(body, content_type):
            return Image.open(io.BytesIO(body))
    """)
    png = io.BytesIO()
    Image.open(io.BytesIO(picture)).save(png, "PNG")
    reply = ask(code, png.getvalue(), "image/png")
    wanted: Answer = server.post(png.getvalue(), "image/png")
    assert_same_predictions(json.loads(reply.body), wanted.json)


def test_json_lines_get_json_lines_from_the_default_functions(user_code: Load, picture: bytes) -> None:
    code = user_code("def predict_fn(data, model): return model(data).softmax(1)")
    line = json.dumps(base64.b64encode(picture).decode())
    reply = ask(code, f"{line}\n{line}\n".encode(), "application/jsonlines")
    assert (reply.status, reply.content_type) == (200, "application/jsonlines")
    assert [list(json.loads(line)) for line in reply.body.splitlines()] == [["predictions"]] * 2
    assert (
        ask(code, f"{line}\n".encode(), "application/jsonlines", "application/json").content_type == "application/json"
    )


def test_only_predict_fn_gets_the_network_and_its_input(user_code: Load, picture: bytes) -> None:
    code = user_code("""
        def predict_fn(data, model):
            return [type(model).__name__, list(data.shape), model.training]
    """)
    assert json.loads(ask(code, picture).body) == ["ResNet", [1, 3, 32, 32], False]


def test_only_model_fn_with_another_network(user_code: Load, picture: bytes) -> None:
    code = user_code("""
        import torch
        def model_fn(model_dir):
            return torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(3, 7)).eval()
    """)
    predictions = json.loads(ask(code, picture).body)["predictions"]
    assert len(predictions) == 5
    assert {entry["label"] for entry in predictions} <= set("0123456")


def test_no_function_at_all_answers_as_without_the_script(user_code: Load, pictures, server) -> None:
    code = user_code("import math")
    for accept in ("application/json", "text/csv", "application/json;format=index"):
        ours, theirs = ask(code, pictures[1], accept=accept).body, server.post(pictures[1], accept=accept).body
        # Another engine, other threads and another layout in memory.
        assert NUMBER.sub(b"", ours) == NUMBER.sub(b"", theirs)
        assert [*map(float, NUMBER.findall(ours))] == pytest.approx([*map(float, NUMBER.findall(theirs))], abs=ROUNDING)
    body = io.BytesIO()
    np.save(body, np.zeros((1, 8, 8, 3), np.uint8))
    listed = json.loads(ask(code, body.getvalue(), "application/x-npy").body)["predictions"]
    assert len(listed) == 1
    assert len(listed[0]) == 3


def test_another_file_name_and_modules_beside_it(user_code: Load, base_dir: Path) -> None:
    (base_dir / "model" / "code" / "helper.py").write_text("WORD = 'helped'")
    code = user_code(
        """
        import helper
        def model_fn(model_dir): pass
        def transform_fn(model, data, content_type, accept): return helper.WORD
        """,
        name="serving.py",
        SAGEMAKER_PROGRAM="serving.py",
    )
    assert ask(code, b"").body == b"helped"


def test_the_default_accept(user_code: Load) -> None:
    code = user_code(
        """
        def model_fn(model_dir): pass
        def transform_fn(model, data, content_type, accept): return accept
        """,
        SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT="text/x-house",
    )
    assert [ask(code, b"", accept=accept).body for accept in (None, "*/*", "a/b")] == [
        b"text/x-house", b"text/x-house", b"a/b"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("function", "status", "message"),
    [
        ("def input_fn(b, c): raise UnsupportedFormatError(c)", 415, "does not support this content type"),
        ("def output_fn(p, a): raise UnsupportedFormatError(a)", 406, "does not support the type"),
        ("def input_fn(b, c): raise GenericInferenceToolkitError(418, 'short and stout')", 418, "short and stout"),
        ("def input_fn(b, c): raise RuntimeError('secret /path')", 500, "the model's own code failed"),
        ("def output_fn(p, a): return object()", 500, "an error inside the server"),
        ("def input_fn(b, c): return 'a word'", 500, "the model's own code failed"),
    ],
)
def test_errors(user_code: Load, picture, caplog, function: str, status: int, message: str) -> None:
    code = user_code(f"""
        from sagemaker_inference.errors import GenericInferenceToolkitError, UnsupportedFormatError
        {function}
    """)
    reply = ask(code, picture)
    assert reply.status == status
    assert message in error_of(reply)
    assert "secret" not in error_of(reply)
    if "secret" in function:
        assert "RuntimeError: secret /path" in caplog.text, "the log tells"


@pytest.mark.parametrize("answer", ["data.new_tensor([[float('nan'), 1]])", "[1, float('inf')]"])
def test_what_is_no_number_never_leaves_as_json(user_code: Load, picture, answer: str) -> None:
    reply = ask(user_code(f"def predict_fn(data, model): return {answer}"), picture)
    assert (reply.status, error_of(reply)) == (500, "the model's answer is not a number")


def test_the_default_functions_errors(user_code: Load, picture) -> None:
    code = user_code("def predict_fn(data, model): return [1]")
    assert (ask(code, b"no picture").status, ask(code, picture, "text/html").status) == (422, 415)
    assert ask(code, b"{", "application/json").status == 400
    assert ask(code, picture, accept="image/png").status == 406


def test_a_request_past_its_deadline_is_not_begun(user_code: Load) -> None:
    code = user_code("""
        def model_fn(model_dir): pass
        def transform_fn(model, data, content_type, accept): raise SystemError
    """)
    [reply] = code.answer([request(b"", None, None, seconds=-1)])
    assert reply.status == 504


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("import no_such_module", "inference.py failed: ModuleNotFoundError: No module named 'no_such_module'"),
        ("def model_fn(:", "inference.py failed: SyntaxError: "),
        ("def model_fn(model_dir): raise OSError('no weights')", "inference.py failed: OSError: no weights"),
        ("def model_fn(): pass", "inference.py failed: TypeError: "),
        ("def transform_fn(): pass\ndef input_fn(): pass", "inference.py failed: ValueError: Cannot use transform_fn"),
        ("raise SystemExit(3)", "inference.py failed: SystemExit: 3"),
    ],
)
def test_scripts_that_cannot_serve(user_code: Load, script: str, message: str) -> None:
    with pytest.raises(ServeError) as caught:
        user_code(script)
    assert str(caught.value).startswith(message)


def test_a_broken_model_with_the_default_model_fn(user_code: Load, base_dir: Path) -> None:
    (base_dir / "model" / "model.safetensors").unlink()
    with pytest.raises(ArtifactError, match=r"model\.safetensors"):
        user_code("def predict_fn(data, model): pass")


def test_the_networks_own_answer(user_code: Load, model_dir: Path, picture) -> None:
    """predict_fn's default is the softmax of the network's answer."""
    code = user_code("def output_fn(prediction, accept): return prediction.tolist()")
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    body = io.BytesIO()
    np.save(body, pixels)
    got = json.loads(ask(code, body.getvalue(), "application/x-npy").body)
    model, card = load(model_dir)
    square = card.preprocessing.to_array(Image.fromarray(pixels))
    with torch.inference_mode():
        wanted = torch.softmax(model(card.preprocessing.normalize(torch.from_numpy(square[None].copy()))), 1)
    assert got == [pytest.approx(wanted[0].tolist(), abs=1e-5)]


def test_over_http(base_dir: Path, start_server, picture) -> None:
    (base_dir / "model" / "code" / "inference.py").write_text("def output_fn(p, accept): return str(p.argmax().item())")
    running = start_server(base_dir)
    running.await_ready()
    wanted = ask_index(running, picture)
    assert wanted in (b"0", b"1", b"2")
    assert running.post(b"no picture").status == 422


def ask_index(running, picture: bytes) -> bytes:
    answer = running.post(picture)
    assert answer.status == 200
    return answer.body


def assert_same_predictions(got: dict, wanted: dict) -> None:
    for mine, theirs in zip(got["predictions"], wanted["predictions"], strict=True):
        assert mine["index"] == theirs["index"]
        assert mine["probability"] == pytest.approx(theirs["probability"], abs=max(ROUNDING, 1e-4))


@pytest.mark.parametrize(
    ("accept", "attributes", "in_body"),
    [("application/json;explain=true", None, False), (None, "explain=true", False), (None, None, True)],
)
def test_code_of_ones_own_is_not_explained(
    user_code: Load, picture: bytes, accept: str | None, attributes: str | None, in_body: bool
) -> None:
    code = user_code("def predict_fn(data, model): return model(data).softmax(1)")
    body = json.dumps({"image": base64.b64encode(picture).decode(), "explain": True}).encode() if in_body else picture
    content_type = "application/json" if in_body else "image/jpeg"
    [reply] = code.answer([request(body, content_type, accept, attributes=attributes)])
    assert reply.status == 400
    assert "code of its own (inference.py or TorchScript)" in error_of(reply)


def test_code_of_ones_own_may_explain_itself(user_code: Load, picture: bytes) -> None:
    code = user_code("""
        def transform_fn(model, data, content_type, accept, context):
            attributes = context.get_request_header(0, "X-Amzn-SageMaker-Custom-Attributes")
            return f"{accept}|{attributes}", "text/plain"
    """)
    [reply] = code.answer([request(picture, "image/jpeg", "application/json;explain=true", attributes="explain=mine")])
    assert reply.body == b"application/json;explain=true|explain=mine"
