"""SLIPWAY_LOG_FORMAT=json: every line is one JSON object, whoever writes it."""

import json
import logging
import os
import signal
import sys
from pathlib import Path

import pytest

from container.serve.settings import logs
from container.serve.settings.logs import event
from container.serve.settings.output import Lines
from tests.serve.many_models import MULTI, ManyModels, put_code
from tests.serve.server_process import await_true
from tests.serve.supervisor.test_start import run

CODE = """
import os
import sys
import time
import traceback

print("loading \\u00fc")

def model_fn(model_dir):
    return None

def input_fn(body, content_type):
    return body

def predict_fn(body, model):
    if body == "raise":
        raise ArithmeticError("on purpose")
    if body == "print":
        try:
            os.stat("/nowhere")
        except OSError:
            traceback.print_exc()
    if body == "hang":
        time.sleep(60)
    return body

def output_fn(body, accept):
    return body, "text/plain"
"""


def test_every_line_of_a_servers_life_is_an_object(base_dir: Path, start_server) -> None:
    (base_dir / "model" / "code" / "inference.py").write_text(CODE)
    server = start_server(base_dir, SLIPWAY_LOG_FORMAT="json", SLIPWAY_DEADLINE_S="8")
    server.await_ready()
    raised, printed = server.post("raise", "text/csv"), server.post("print", "text/csv")
    assert (raised.status, printed.status) == (500, 200)
    worker = next(line["worker"] for line in server.records if line["event"] == "loaded")
    assert server.post("hang", "text/csv").status in (503, 504)
    await_true(lambda: any(line["event"] == "worker-ended" for line in server.records), "the worker is replaced")
    server.await_ready()
    [front] = [
        pid for pid in server.descendants() if "container.serve.front" in Path(f"/proc/{pid}/cmdline").read_text()
    ]
    os.kill(front, signal.SIGKILL)
    await_true(lambda: any(line["event"] == "ended" for line in server.records), "the front is replaced")
    server.await_ready()
    assert server.stop() == 0
    assert server.errors == ""

    assert server.log.endswith("\n")
    records = server.records
    for record in records:
        assert list(record)[:3] == ["time", "level", "event"], record
        assert len(record["time"]) == len("2026-01-01T00:00:00.000Z")
        assert record["level"] in ("INFO", "WARNING", "ERROR")
    names = [record["event"] for record in records]
    assert {"gpu", "listening", "model-server", "loaded", "ready", "request", "stopping", "stopped"} <= set(names)
    of_raised = [record for record in records if record.get("id") == raised.headers["x-request-id"]]
    assert {record["event"] for record in of_raised} == {"user-code", "request"}
    [failure] = [record for record in of_raised if record["event"] == "user-code"]
    assert failure["trace"].startswith("Traceback (most recent call last):")
    assert failure["trace"].endswith("ArithmeticError: on purpose")
    [request] = [record for record in of_raised if record["event"] == "request"]
    assert (request["status"], request["worker"], request["bytes_in"]) == (500, worker, 5), "numbers are numbers"
    outputs = [record for record in records if record["event"] == "output"]
    assert "loading ü" in [record["message"] for record in outputs]
    traces = [record["trace"] for record in outputs if "trace" in record]
    assert any(trace.endswith("No such file or directory: '/nowhere'") for trace in traces), "what the code printed"
    assert any(trace.startswith("Timeout (") and "predict_fn" in trace for trace in traces), "where the worker hung"


def test_a_model_that_cannot_be_loaded(base_dir: Path) -> None:
    (base_dir / "model" / "code" / "inference.py").write_text("def model_fn(model_dir):\n    raise OSError('no luck')")
    result = run(base_dir, SLIPWAY_LOG_FORMAT="json")
    records = [json.loads(line) for line in result.stdout.splitlines()]
    [failure] = [record for record in records if record["event"] == "load-failed"]
    assert "raise OSError('no luck')" in failure["trace"]
    assert result.stderr == "serve: inference.py failed: OSError: no luck\n", "standard error is for people"


def test_many_models_write_objects_too(tmp_path: Path, start_server) -> None:
    base = tmp_path / "base"
    put_code(base, "talker", CODE)
    server = start_server(base, SLIPWAY_LOG_FORMAT="json", **MULTI)
    server.await_ready()
    many = ManyModels(server, base)
    assert many.load("talker").status == 200
    assert many.invoke("talker", "print", "text/csv").status == 200
    assert many.unload("talker").status == 200
    assert server.stop() == 0
    names = [record["event"] for record in server.records]
    assert {"memory", "loaded", "model-loaded", "request", "model-unloaded", "output", "stopped"} <= set(names)


def test_a_line_of_json_keeps_its_form_whatever_is_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(logging.INFO, sys.stderr, "json")
    logging.getLogger("any").info(
        event("thing", text='a "b"\n\u2028', number=1, part=0.5, nan=float("nan"), path=Path("/a"), none=None, yes=True)
    )
    logging.getLogger("any").warning("words %d", 1)
    try:
        raise ValueError("x")
    except ValueError:
        logging.getLogger("any").exception(event("bug"))
    text = capsys.readouterr().err
    assert text.isascii()
    thing, words, bug = map(json.loads, text.splitlines())
    assert {key: thing[key] for key in list(thing)[1:]} == {
        "level": "INFO", "event": "thing", "text": 'a "b"\n\u2028', "number": 1, "part": 0.5, "nan": "nan",
        "path": "/a", "yes": True,
    }  # fmt: skip
    assert (words["event"], words["logger"], words["message"]) == ("log", "any", "words 1")
    assert bug["trace"].splitlines()[-1] == "ValueError: x"


RECORD = '{"time": "2026-01-01T00:00:00.000Z", "level": "INFO", "event": "thing"}'


def test_lines_are_put_together_however_they_arrive() -> None:
    lines = Lines("worker")
    assert lines.take(RECORD[:10].encode()) == []
    assert lines.take(RECORD[10:].encode()) == []
    assert lines.take(b"\n\n") == [RECORD]
    [first, second] = map(json.loads, lines.take('{"time": "x"}\r\nü\n'.encode()))
    assert (first["message"], second["message"], second["part"]) == ('{"time": "x"}', "ü", "worker")
    assert lines.take(b"\xff") == []
    [last] = map(json.loads, lines.flush())
    assert last["message"] == "\ufffd"


def test_a_trace_is_one_record_until_another_begins_or_nothing_comes() -> None:
    lines = Lines("worker")
    trace = "Traceback (most recent call last):\n  File x\n\nValueError: y"
    assert lines.take(f"{trace}\n".encode()) == []
    assert lines.holding
    crash, after = lines.take(f"{RECORD}\n".encode())
    assert after == RECORD
    assert json.loads(crash)["trace"] == trace
    assert (json.loads(crash)["level"], json.loads(crash)["event"]) == ("ERROR", "output")
    assert lines.take(b"Fatal Python error: Aborted\n\nThread 0x1:\n") == []
    [crash] = map(json.loads, lines.flush())
    assert crash["trace"] == "Fatal Python error: Aborted\n\nThread 0x1:"
    assert not lines.holding


def test_a_line_without_an_end_is_cut() -> None:
    lines = Lines("worker")
    records = lines.take(b"x" * (1 << 20))
    assert [len(json.loads(record)["message"]) for record in records] == [1 << 20]
    assert lines.flush() == []
