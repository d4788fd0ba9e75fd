"""Which request is answered how: every type in and out, over HTTP, against a real server."""

import base64
import csv
import io
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from tests.serve.rounding import ROUNDING
from tests.serve.server_process import Answer, ServerProcess


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def npy(array: np.ndarray) -> bytes:
    data = io.BytesIO()
    np.save(data, array)
    return data.getvalue()


def multipart(*files: bytes) -> tuple[bytes, str]:
    parts = [
        b'--edge\r\nContent-Disposition: form-data; name="image"; filename="dog.jpg"\r\n\r\n' + file + b"\r\n"
        for file in files
    ]
    field = b'--edge\r\nContent-Disposition: form-data; name="note"\r\n\r\nhello\r\n'
    return field + b"".join(parts) + b"--edge--\r\n", "multipart/form-data; boundary=edge"


@pytest.fixture(scope="module")
def expected(server: ServerProcess, picture: bytes) -> list[dict]:
    """The answer to the picture as image/jpeg, to which all other ways of sending it are compared."""
    return server.post(picture).json["predictions"]


def test_an_answer_names_the_most_probable_classes_in_order(expected: list[dict]) -> None:
    assert [sorted(entry) for entry in expected] == [["index", "label", "probability"]] * 3
    probabilities = [entry["probability"] for entry in expected]
    assert probabilities == sorted(probabilities, reverse=True)
    assert sum(probabilities) == pytest.approx(1, abs=1e-5)
    assert {(entry["index"], entry["label"]) for entry in expected} == {(0, "cat"), (1, 'dog, "big"'), (2, "bird")}


def test_the_answer_is_the_models_own(model_dir, picture, expected) -> None:
    import torch

    from container.artifact import load
    from container.picture import read_picture

    model, card = load(model_dir)
    square = card.preprocessing.to_array(read_picture(picture, shrink_to=card.preprocessing.shrink_to))
    with torch.inference_mode():
        logits = model(card.preprocessing.normalize(torch.from_numpy(square[None].copy())))
    wanted = torch.softmax(logits, 1)[0].tolist()
    got = {entry["index"]: entry["probability"] for entry in expected}
    assert [got[index] for index in range(3)] == pytest.approx(wanted, abs=ROUNDING)


@pytest.mark.parametrize(
    "content_type",
    ["image/jpeg", "IMAGE/JPEG; charset=binary", "image/*", "application/x-image", "application/octet-stream",
     "binary/octet-stream",
     "application/x-www-form-urlencoded", "", None],
)  # fmt: skip
def test_a_pictures_file(server: ServerProcess, picture, expected, content_type: str | None) -> None:
    answer = server.post(picture, content_type)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json == {"predictions": expected}


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_other_formats_of_pictures(server: ServerProcess, picture, kind: str) -> None:
    data = io.BytesIO()
    Image.open(io.BytesIO(picture)).save(data, kind)
    assert server.post(data.getvalue(), f"image/{kind.lower()}").status == 200


@pytest.mark.parametrize(
    "encode",
    [
        lambda file: json.dumps(b64(file)),
        lambda file: json.dumps(json.dumps(b64(file))),
        lambda file: json.dumps({"image": b64(file)}),
        lambda file: json.dumps("data:image/jpeg;base64," + b64(file)),
        lambda file: json.dumps(base64.encodebytes(file).decode()),
        lambda file: json.dumps({"b64": base64.urlsafe_b64encode(file).decode().rstrip("=")}),
        lambda file: json.dumps("\n data:image/jpeg;base64," + b64(file).rstrip("=")),
    ],
    ids=["string", "doubly encoded", "image", "data URL", "76 a line", "for URLs, not padded", "data URL, not padded"],
)
@pytest.mark.parametrize("content_type", ["application/json", "Application/JSON; charset=utf-8"])
def test_json_with_one_picture(server: ServerProcess, picture, expected, encode, content_type: str) -> None:
    answer = server.post(encode(picture), content_type)
    assert answer.json == {"predictions": expected}


def test_json_instances_get_a_list_of_answers(server: ServerProcess, pictures) -> None:
    alone = [server.post(file).json["predictions"] for file in pictures[:3]]
    body = json.dumps({"instances": [{"b64": b64(file)} for file in pictures[:3]]})
    answers = server.post(body, "application/json").json["predictions"]
    for got, wanted in zip(answers, alone, strict=True):
        assert_same(got, wanted)
    one = server.post(json.dumps({"instances": [b64(pictures[0])]}), "application/json").json["predictions"]
    assert_same(one[0], alone[0])


@pytest.mark.parametrize("content_type", ["application/jsonlines", "application/jsonl; charset=utf-8"])
def test_json_lines_are_answered_line_by_line(server: ServerProcess, pictures, content_type: str) -> None:
    """What a batch transform job sends with SplitType=Line and BatchStrategy=MULTI_RECORD."""
    forms = (
        b64(pictures[0]), {"image": b64(pictures[1])}, json.dumps(b64(pictures[2])),
        {"b64": b64(pictures[3]), "explain": True}, *map(b64, pictures[4:11]),
    )  # fmt: skip
    body = "\r\n".join(map(json.dumps, forms)) + "\n"
    answer = server.post(body, content_type)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/jsonlines"), answer.body
    lines = [json.loads(line) for line in answer.body.decode().splitlines()]
    assert len(lines) == 11
    for place in (0, 1, 2, 3, 10):
        assert_same(lines[place]["predictions"], server.post(pictures[place]).json["predictions"])
    assert [place for place, line in enumerate(lines) if "explanation" in line] == [3]
    lines = server.post(body.replace('"explain": true', '"explain": false'), content_type, "text/csv").body.splitlines()
    assert len(lines) == 11


def test_more_instances_than_a_batch_keep_their_order(server: ServerProcess, pictures) -> None:
    body = json.dumps({"instances": [{"b64": b64(file)} for file in pictures]})
    answers = server.post(body, "application/json").json["predictions"]
    assert len(answers) == 20
    for place in (0, 7, 8, 19):
        assert_same(answers[place], server.post(pictures[place]).json["predictions"])


@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays(server: ServerProcess, picture, order: str) -> None:
    pixels = np.asarray(Image.open(io.BytesIO(picture)))
    as_png = io.BytesIO()
    Image.fromarray(pixels).save(as_png, "PNG")
    wanted = server.post(as_png.getvalue(), "image/png").json["predictions"]
    single = server.post(npy(np.asarray(pixels, order=order)), "application/x-npy").json["predictions"]
    assert_same(single, wanted)
    batch = server.post(npy(np.asarray(np.stack([pixels, pixels]), order=order)), "application/x-npy")
    assert len(batch.json["predictions"]) == 2
    assert_same(batch.json["predictions"][1], wanted)


def test_multipart(server: ServerProcess, pictures, expected) -> None:
    assert server.post(*multipart(pictures[0])).json == {"predictions": expected}
    two = server.post(*multipart(pictures[0], pictures[1])).json["predictions"]
    assert_same(two[0], expected)
    assert_same(two[1], server.post(pictures[1]).json["predictions"])


def test_answer_types(server: ServerProcess, pictures, expected) -> None:
    body = json.dumps({"instances": [b64(file) for file in pictures[:2]]})

    index = server.post(pictures[0], accept="application/json;format=index")
    assert (index.headers["content-type"], index.json) == ("application/json", [expected[0]["index"]])
    indices = server.post(body, "application/json", "application/json; format=index").json

    lines = server.post(body, "application/json", "application/jsonlines")
    assert lines.headers["content-type"] == "application/jsonlines"
    rows = [json.loads(line)["predictions"] for line in lines.body.decode().splitlines()]
    assert_same(rows[0], expected)
    assert [row[0]["index"] for row in rows] == indices

    table = server.post(body, "application/json", "text/csv")
    assert table.headers["content-type"] == "text/csv"
    parsed = list(csv.reader(io.StringIO(table.body.decode())))
    assert [label for label, _ in parsed] == [row[0]["label"] for row in rows]
    assert [float(value) for _, value in parsed] == pytest.approx([row[0]["probability"] for row in rows], abs=1e-5)

    array = server.post(body, "application/json", "application/x-npy")
    probabilities = np.load(io.BytesIO(array.body))
    assert (probabilities.dtype, probabilities.shape) == (np.float32, (2, 3))
    assert probabilities.argmax(axis=1).tolist() == indices


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("*/*", "application/json"),
        ("", "application/json"),
        ("text/*", "text/csv"),
        ("image/png, text/csv;q=0.5, application/x-npy;q=0.9", "application/x-npy"),
        ("application/json;q=0.1, text/csv", "text/csv"),
        ("APPLICATION/JSON; charset=utf-8", "application/json"),
    ],
)
def test_accept(server: ServerProcess, picture, accept: str, content_type: str) -> None:
    answer = server.post(picture, accept=accept)
    assert (answer.status, answer.headers["content-type"]) == (200, content_type)


def test_requests_of_many_clients_share_batches_and_fail_alone(server: ServerProcess, pictures) -> None:
    """Good and bad pictures at once: each has its own answer, and some went through the model together."""
    wanted = [server.post(file).json["predictions"] for file in pictures]
    barrier = threading.Barrier(16)

    def send(number: int) -> list[tuple[int, bool, Answer]]:
        barrier.wait()
        got = []
        for round_ in range(6):
            place = (number + round_) % 20
            bad = number % 4 == 0
            answer = server.post(pictures[place][:200] if bad else pictures[place])
            got.append((place, bad, answer))
        return got

    with ThreadPoolExecutor(16) as pool:
        answers = [one for many in pool.map(send, range(16)) for one in many]
    for place, bad, answer in answers:
        if bad:
            assert answer.status == 422
            assert "cannot be decoded" in answer.error
        else:
            assert_same(answer.json["predictions"], wanted[place])
    batches = [int(line["batch"]) for *_, answer in answers for line in server.request_lines(answer)]
    assert len(batches) >= 90
    assert max(batches) > 1


def test_every_request_has_an_id_and_one_line_in_the_log(server: ServerProcess, picture) -> None:
    answer = server.post(picture)
    assert server.worker_of(answer) > 0
    lines = server.request_lines(answer)
    assert len(lines) == 1
    assert (lines[0]["status"], lines[0]["bytes_in"]) == ("200", str(len(picture)))
    assert "server" not in answer.headers


def assert_same(got: list[dict], wanted: list[dict]) -> None:
    """The same classes with the same probabilities; the batch's size may change the last digits."""
    assert {entry["index"]: entry["probability"] for entry in got} == pytest.approx(
        {entry["index"]: entry["probability"] for entry in wanted}, abs=1e-4
    )
