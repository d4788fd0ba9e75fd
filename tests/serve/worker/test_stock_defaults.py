"""Numbers in, numbers out: what the stock containers' default functions do for a user's model, and TorchScript."""

import base64
import io
import json
import pickle
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torchvision import models

from container.serve.protocol.accept import choose_plain
from container.serve.protocol.replies import RequestError
from container.torchscript import find_torchscript
from slipway.files.archive import holds_model
from tests.serve.server_process import Answer, ServerProcess, environment, running, serve_command

WEIGHT = [[1.0, 0.0, -1.0], [0.5, 0.5, 0.5]]

MODEL_FN = f"""
import torch
class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("weight", torch.tensor({WEIGHT}))
        self.dropout = torch.nn.Dropout(0.9)
    def forward(self, x):
        if x.ndim == 4:
            x = x.mean((2, 3))
        if x.dtype == torch.int64:
            return {{"whole": x, "both": (x, x + 1)}}
        if x.ndim == 0:
            return x.log()
        return self.dropout(x).to(torch.float32) @ self.weight.T
def model_fn(model_dir):
    return Network()  # in training mode, as the stock containers take it too
"""

ROWS = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.5]]
SCORES = (np.array(ROWS, np.float32) @ np.array(WEIGHT, np.float32).T).tolist()


def npy(values: Any, dtype: Any = np.float32, **options: Any) -> bytes:
    data = io.BytesIO()
    np.save(data, np.array(values, dtype, **options))
    return data.getvalue()


def scores_of(answer: Answer, accept: str) -> list[list[float]]:
    assert (answer.status, answer.headers["content-type"]) == (200, accept), answer.body
    if accept == "application/x-npy":
        return np.load(io.BytesIO(answer.body)).tolist()
    if accept == "text/csv":
        return np.loadtxt(io.StringIO(answer.body.decode()), delimiter=",").tolist()
    return answer.json


def serve(directory: Path, script: str | None, log_dir: Path) -> ServerProcess:
    """Start a server of a model directory that holds this script alone, or what is there already."""
    if script:
        (directory / "model" / "code").mkdir(parents=True)
        (directory / "model" / "code" / "inference.py").write_text(script)
    log_dir.mkdir()
    return ServerProcess(directory, log_dir)


@pytest.fixture(scope="module")
def numbers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server of a model that has nothing but a model_fn."""
    directory = tmp_path_factory.mktemp("numbers")
    with running(serve(directory, MODEL_FN, directory / "log")) as server:
        server.await_ready()
        yield server


@pytest.mark.parametrize("accept", ["application/json", "text/csv", "application/x-npy"])
@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", json.dumps(ROWS).encode()),
        ("application/json; charset=utf-8", b"\n " + json.dumps(ROWS).encode()),
        ("text/csv", b"1,2,3\n4,5,6.5\n"),
        ("text/csv; charset=utf-8", b"1, 2, 3\r\n4, 5, 6.5"),
        ("application/x-npy", npy(ROWS)),
        ("application/x-npy", npy(ROWS, ">f8", order="F")),
    ],
)
def test_numbers_in_every_type_get_the_networks_own_answer(
    numbers: ServerProcess, content_type: str, body: bytes, accept: str
) -> None:
    assert scores_of(numbers.post(body, content_type, accept), accept) == SCORES


def test_shapes_and_types_are_kept(numbers: ServerProcess) -> None:
    deep = np.arange(24, dtype=np.float32).reshape(2, 2, 2, 3)[0]
    wanted = (deep @ np.array(WEIGHT, np.float32).T).tolist()
    assert numbers.post(json.dumps(deep.tolist()), "application/json").json == wanted
    assert numbers.post(npy(deep), "application/x-npy").json == wanted
    assert numbers.post(b"1,2,3", "text/csv").json == SCORES[0], "a single line has one dimension"
    assert numbers.post(b"[true, 2, 3]", "application/json").json == SCORES[0]
    assert numbers.post(npy([[7, 8]], np.int64), "application/x-npy").json == {
        "whole": [[7, 8]],
        "both": [[[7, 8]], [[8, 9]]],
    }
    assert numbers.post(npy(np.zeros((0, 3))), "application/x-npy").json == []
    pixels = npy(np.full((1, 3, 4, 3), 9, np.uint8))
    assert len(numbers.post(pixels, "application/x-npy").json[0]) == 2, "not classes: pixels are numbers too"


@pytest.mark.parametrize(
    ("content_type", "body", "status", "message"),
    [
        ("application/json", b"[[1, 2, 3], [4, 5]]", 400, "ragged"),
        ("application/json", b"[" * 70 + b"]" * 70, 400, "nested too deeply"),
        ("application/json", b"[" * 100_000, 400, "nested too deeply"),
        ("application/json", b"[1, 2", 400, "the body is not JSON"),
        ("application/json", b"[\xff]", 400, "not UTF-8"),
        ("application/json", b'[1, "2", 3]', 400, "other values than numbers"),
        ("application/json", b"[1, null, 3]", 400, "other values than numbers"),
        ("application/json", b"[1, {}, 3]", 400, "other values than numbers"),
        ("application/json", b"[1%s]" % (b"0" * 40), 400, "too large"),
        ("application/json", b'{"instances": [[1, 2, 3]]}', 400, "holds no picture"),
        ("application/json", b"", 400, "empty"),
        ("text/csv", b"", 400, "empty"),
        ("text/csv", b" \n", 400, "empty"),
        ("text/csv", b"1,2,3\n4,5", 400, "not CSV of numbers"),
        ("text/csv", b"1,,3", 400, "not CSV of numbers"),
        ("text/csv", b"a,b,c\n1,2,3", 400, "not CSV of numbers"),
        ("text/csv; charset=latin-1", b"\xff,2,3", 400, "not UTF-8"),
        ("application/x-npy", b"no array", 400, "not a .npy file"),
        ("application/x-npy", npy(ROWS)[:-1], 400, "follow the header"),
        ("application/x-npy", npy([{}], object), 415, "send numbers"),
        ("application/x-npy", npy(["word"], "U4"), 415, "send numbers"),
        ("application/x-npy", npy([(1, 2.0)], "i4,f4"), 415, "send numbers"),
        ("application/x-npz", b"PK", 415, "is not known"),
        ("text/html", b"<p>", 415, "is not known"),
    ],
)
def test_bodies_that_are_not_what_they_say(
    numbers: ServerProcess, content_type: str, body: bytes, status: int, message: str
) -> None:
    answer = numbers.post(body, content_type)
    assert (answer.status, message in answer.error) == (status, True), answer.error


def test_answers_that_cannot_be_given(numbers: ServerProcess) -> None:
    deep, named = json.dumps([ROWS]), npy([[7, 8]], np.int64)
    refused = {
        "image/png": numbers.post(b"[1, 2, 3]", "application/json", "image/png"),
        "format": numbers.post(b"[1, 2, 3]", "application/json", "application/json;format=index"),
        "explain": numbers.post(b"[1, 2, 3]", "application/json", "application/json;explain=true"),
        "a deep array": numbers.post(deep, "application/json", "text/csv"),
        "names in CSV": numbers.post(named, "application/x-npy", "text/csv"),
        "names in .npy, which would be a pickle": numbers.post(named, "application/x-npy", "application/x-npy"),
    }
    assert {case: answer.status for case, answer in refused.items()} == dict.fromkeys(refused, 406)
    assert all(answer.error for answer in refused.values())
    assert numbers.post(deep, "application/json").status == 200
    minus = numbers.post(b"-1", "application/json")
    assert (minus.status, minus.error) == (500, "the model's answer is not a number")
    # How many numbers the network takes, only the network knows.
    assert numbers.post(b"[1, 2]", "application/json").status == 500
    assert numbers.post(b"[1, 2, 3]", "application/json").json == SCORES[0], "the next one is answered"


def test_pictures_are_answered_as_ever(numbers: ServerProcess, picture: bytes) -> None:
    encoded = base64.b64encode(picture).decode()
    for body, content_type in [
        (picture, "image/jpeg"),
        (picture, "application/x-image"),
        (picture, "application/octet-stream"),
        (json.dumps(encoded), "application/json"),
        (json.dumps({"image": encoded}), "application/json"),
    ]:
        predictions = numbers.post(body, content_type).json["predictions"]
        assert sorted(entry["label"] for entry in predictions) == ["0", "1"]
        assert sum(entry["probability"] for entry in predictions) == pytest.approx(1, abs=1e-5)
    many = numbers.post(json.dumps({"instances": [{"b64": encoded}] * 2}), "application/json")
    assert [len(predictions) for predictions in many.json["predictions"]] == [2, 2]
    assert numbers.post(picture, accept="application/json;format=index").json in ([0], [1])
    assert numbers.post(b"no picture").status == 422


def test_a_users_own_predict_fn_and_output_fn_get_what_the_defaults_give(tmp_path: Path, picture: bytes) -> None:
    script = f"""{MODEL_FN}
def predict_fn(data, model):
    return {{"data": data, "seen": [str(data.dtype), list(data.shape)]}}
def output_fn(prediction, accept):
    if accept == "text/x-mine":
        return "mine", accept
    return prediction["seen"] + [accept]
"""
    with running(serve(tmp_path, script, tmp_path / "log")) as server:
        server.await_ready()
        accept = "application/json"
        assert server.post(b"[[1, 2]]", "application/json").json == ["torch.float32", [1, 2], accept]
        assert server.post(b"1,2\n3,4", "text/csv", "*/*").json == ["torch.float32", [2, 2], accept]
        assert server.post(npy([1], np.int16), "application/x-npy").json == ["torch.int16", [1], accept]
        assert server.post(picture).json == ["torch.float32", [1, 3, 224, 224], accept]
        assert server.post(b"[1]", "application/json", "text/x-mine").body == b"mine"


def test_without_a_model_fn_of_ones_own_only_pictures_are_taken(base_dir: Path, tmp_path: Path, picture: bytes) -> None:
    (base_dir / "model" / "code" / "inference.py").write_text("def output_fn(prediction, accept): return 'mine'")
    with running(serve(base_dir, None, tmp_path / "log")) as server:
        server.await_ready()
        assert server.post(b"[[1, 2, 3]]", "application/json").status == 400
        assert server.post(b"1,2,3", "text/csv").status == 415
        assert server.post(npy(ROWS), "application/x-npy").status == 415
        assert server.post(npy(np.zeros((4, 4, 3)), np.uint8), "application/x-npy").body == b"mine"
        assert server.post(picture).body == b"mine"


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, "text/csv"),
        ("", "text/csv"),
        ("*/*", "text/csv"),
        ("image/*, */*;q=0.1", "text/csv"),
        ("application/*", "application/json"),
        ("application/json;q=0.5, application/x-npy", "application/x-npy"),
        ("application/jsonlines, application/json;q=0.5", "application/json"),
    ],
)
def test_the_type_of_plain_values(accept: str | None, chosen: str) -> None:
    assert choose_plain(accept, "text/csv;format=scores") == chosen
    assert choose_plain("*/*", "application/jsonlines") == "application/json"
    with pytest.raises(RequestError, match="Accept is one of application/json, text/csv, application/x-npy"):
        choose_plain("application/json;q=0, text/html", "text/csv")


def save_script(network: nn.Module, file: Path, freeze: bool = False) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    scripted = torch.jit.script(network.eval() if freeze else network)
    torch.jit.save(torch.jit.freeze(scripted) if freeze else scripted, file)


@pytest.mark.parametrize("name", ["model.pt", "model.pth"])
def test_a_torchscript_archive_alone_is_served(tmp_path: Path, pictures: list[bytes], name: str) -> None:
    torch.manual_seed(2)
    network = models.resnet18(num_classes=4)
    network.fc.weight.data *= 20
    save_script(network, tmp_path / "model" / name, freeze=name == "model.pth")
    network.eval()
    with running(serve(tmp_path, None, tmp_path / "log")) as server:
        server.await_ready()
        assert server.events("loaded")[0]["program"] == name
        batch = torch.randn(2, 3, 64, 64)
        with torch.no_grad():
            wanted = network(batch)
        for body, content_type in [
            (npy(batch.numpy()), "application/x-npy"),
            (json.dumps(batch.tolist()), "application/json"),
        ]:
            assert torch.tensor(server.post(body, content_type).json) == pytest.approx(wanted, rel=1e-3, abs=1e-3)
        recipe = models.ResNet18_Weights.IMAGENET1K_V1.transforms()
        with torch.no_grad():
            probabilities = network(recipe(Image.open(io.BytesIO(pictures[0])))[None]).softmax(1)[0]
        predictions = server.post(pictures[0]).json["predictions"]
        assert [entry["index"] for entry in predictions] == probabilities.argsort(descending=True).tolist()
        for entry in predictions:
            assert entry["label"] == str(entry["index"])
            assert entry["probability"] == pytest.approx(float(probabilities[entry["index"]]), abs=0.02)
        assert server.post(pictures[0], accept="application/json;explain=true").status == 400


def test_a_script_without_model_fn_gets_the_torchscript_archive(tmp_path: Path) -> None:
    save_script(nn.Linear(3, 2), tmp_path / "model" / "model.pt")
    script = "def output_fn(prediction, accept): return {'shape': list(prediction.shape)}"
    with running(serve(tmp_path, script, tmp_path / "log")) as server:
        server.await_ready()
        assert server.post(b"1,2,3\n4,5,6", "text/csv").json == {"shape": [2, 2]}


class Touch:
    """Its pickle makes a file when it is loaded."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self._file), "w")


def check_with_other_data(directory: Path, data: bytes | None) -> str:
    """What `serve --check` says of a TorchScript archive that holds this in place of its own data."""
    save_script(nn.Linear(3, 2), directory / "whole.pt")
    (directory / "model").mkdir()
    with (
        zipfile.ZipFile(directory / "whole.pt") as whole,
        zipfile.ZipFile(directory / "model/model.pt", "w") as damaged,
    ):
        for name in whole.namelist():
            content = data if name.endswith("/data.pkl") else whole.read(name)
            if content is not None:
                damaged.writestr(name, content)
    result = subprocess.run(serve_command("--check"), env=environment(directory), capture_output=True, text=True)
    [line] = result.stderr.splitlines()
    assert result.returncode == 1
    return line


def test_a_damaged_torchscript_archive_ends_with_one_line(tmp_path: Path) -> None:
    line = check_with_other_data(tmp_path, None)
    assert line.startswith("serve: model.pt in ")
    assert "cannot be loaded as TorchScript" in line


def test_no_pickle_in_a_torchscript_archive_is_executed(tmp_path: Path) -> None:
    line = check_with_other_data(tmp_path, pickle.dumps(Touch(tmp_path / "touched"), protocol=2))
    assert "cannot be loaded as TorchScript" in line
    assert not (tmp_path / "touched").exists()


def test_which_file_is_the_torchscript_model(tmp_path: Path) -> None:
    assert find_torchscript(tmp_path / "gone") is None
    (tmp_path / "broken.pt").write_bytes(b"PK\x05\x06 no archive")
    torch.save(nn.Linear(3, 2).state_dict(), tmp_path / "optimizer.pt")
    assert find_torchscript(tmp_path) is None
    assert not holds_model(tmp_path)
    save_script(nn.Linear(3, 2), tmp_path / "network.pt")
    assert find_torchscript(tmp_path) == tmp_path / "network.pt"
    assert holds_model(tmp_path)
    save_script(nn.Linear(3, 2), tmp_path / "other.pth")
    assert find_torchscript(tmp_path) is None, "which of the two is meant is not known"
    save_script(nn.Linear(3, 2), tmp_path / "model.pt")
    assert find_torchscript(tmp_path) == tmp_path / "model.pt"
    torch.save(nn.Linear(3, 2).state_dict(), tmp_path / "model.pth")
    assert find_torchscript(tmp_path) is None, "a bare state dict is the model, as before"
    (tmp_path / "model.pth").unlink()
    (tmp_path / "model.json").write_text("{}")
    assert find_torchscript(tmp_path) is None
