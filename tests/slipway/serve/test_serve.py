"""`slipway serve` and `slipway predict` on the real server."""

import http.server
import json
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from slipway.errors import ArchiveError, JobError
from slipway.processes.serving import model_directory
from tests.slipway.slipway_runs import descendants, still_running


@pytest.fixture(scope="module")
def server(trained) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A server on the packed model, on a free port; ended by the test of the end, or here."""
    command = [sys.executable, "-m", "slipway", "serve", str(trained.archive), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        port = ""
        seen = []
        for line in process.stdout:
            seen.append(line)
            if "event=listening" in line:
                port = line.partition(" port=")[2].split()[0]
            if "event=ready" in line:
                break
        else:
            pytest.fail("the server ended:\n" + "".join(seen))
        # Nobody reads the log from here on; a full pipe would block the server.
        threading.Thread(target=process.stdout.read, daemon=True).start()
        yield f"http://127.0.0.1:{port}", process
        process.terminate()
        process.wait()


def test_pictures_are_answered_with_their_classes(server, colours, slipway):
    url, _ = server
    pictures = [colours / "test" / label / "0.png" for label in ("red", "green", "blue")]
    done = slipway("predict", *pictures, "--url", url)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 3 * 4  # the picture and its three classes, the most probable one first
    assert lines[::4] == [str(path) for path in pictures]
    assert [line.split()[0] for line in lines[1::4]] == ["red", "green", "blue"]
    assert all(line.endswith(" %") for line in lines[1::4])


def test_top_limits_the_classes(server, colours, slipway):
    url, _ = server
    done = slipway("predict", colours / "test" / "red" / "0.png", "--url", url, "--top", 1)
    assert len(done.stdout.splitlines()) == 2


def test_json_is_one_object_a_line(server, colours, slipway):
    url, _ = server
    picture = colours / "test" / "red" / "0.png"
    done = slipway("predict", picture, "nowhere.png", "--url", url, "--json")
    good, bad = map(json.loads, done.stdout.splitlines())
    assert good["image"] == str(picture)
    assert {row["label"] for row in good["predictions"]} == {"red", "green", "blue"}
    assert sum(row["probability"] for row in good["predictions"]) == pytest.approx(1, abs=1e-3)
    assert bad == {"image": "nowhere.png", "error": "the file cannot be read: No such file or directory"}
    assert done.returncode == 1


def test_one_bad_picture_does_not_stop_the_others(server, colours, slipway, tmp_path):
    url, _ = server
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    good = colours / "test" / "red" / "0.png"
    done = slipway("predict", broken, good, "--url", url)
    assert done.returncode == 1
    assert f"{broken}: the server refused it (422): " in done.stderr
    assert str(good) in done.stdout


def test_the_address_may_be_given_without_a_scheme(server, colours, slipway):
    url, _ = server
    done = slipway("predict", colours / "test" / "red" / "0.png", "--url", url.removeprefix("http://"))
    assert done.returncode == 0


def test_a_port_in_use_is_named(trained, slipway):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = slipway("serve", trained.archive, "--port", port)
    assert done.returncode != 0
    assert str(port) in done.stdout + done.stderr
    assert "in use" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_sigterm_ends_it_well_and_leaves_nothing(server):
    _, process = server
    started = descendants(process)
    assert len(started) > 2
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 0
    assert not still_running(started)


@pytest.mark.parametrize("form", ["archive", "job", "model"])
def test_a_model_is_an_archive_a_job_or_a_model_directory(form, trained):
    path = {"archive": trained.archive, "job": trained.directory, "model": trained.directory / "model"}[form]
    with model_directory(path) as base:
        assert json.loads((base / "model" / "model.json").read_text())["classes"] == ["blue", "green", "red"]
    assert not base.exists()
    assert (trained.directory / "model" / "model.json").is_file()


def test_nothing_is_left_of_an_archive_that_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "a.txt").write_text("")
    with tarfile.open(tmp_path / "photos.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "a.txt", "a.txt")
    with pytest.raises(ArchiveError, match="holds no model"), model_directory(tmp_path / "photos.tar.gz"):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "photos.tar.gz"]


def test_a_job_without_a_model_says_so(tmp_path):
    (tmp_path / "input" / "config").mkdir(parents=True)
    (tmp_path / "input" / "config" / "hyperparameters.json").write_text("{}")
    (tmp_path / "model").mkdir()
    with pytest.raises(JobError, match=r"has no model yet: .*It holds: nothing"), model_directory(tmp_path):
        pass


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.tar.gz", None, "there is no missing.tar.gz"),
        ("model.tar.gz", b"<html>", "model.tar.gz is not a tar archive (6 bytes)"),
        (".", None, "is neither a model directory nor a job's"),
    ],
)
def test_what_is_no_model_gets_one_paragraph(name, content, message, slipway, tmp_path):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    done = slipway("serve", name, cwd=tmp_path)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_errors_of_the_server_name_the_users_path(slipway, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "model.json").write_text("{}")
    done = slipway("serve", "mine", "--port", 0, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr == "serve: there is model.json in mine, but no model.safetensors: the model is incomplete\n"


def test_no_server_is_said_once_with_the_command_that_starts_one(colours, slipway):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    pictures = list((colours / "test" / "red").iterdir())
    done = slipway("predict", *pictures, "--url", f"http://127.0.0.1:{port}")
    assert done.returncode == 1
    assert done.stderr.count("no server answers at") == 1
    assert "start one: slipway serve MODEL" in done.stderr


@pytest.mark.parametrize("url", ["ftp://127.0.0.1", "http://", "http://host:port"])
def test_an_address_that_cannot_be_one_is_named(url, slipway, tmp_path):
    done = slipway("predict", tmp_path / "a.png", "--url", url)
    assert done.returncode == 1
    assert f"{url!r} is not the address of a server" in done.stderr


class _Other(http.server.BaseHTTPRequestHandler):
    """Some other program's web server."""

    answers = {"a.png": (200, b'{"status": "ok"}'), "b.png": (200, b"<html>"), "c.png": (404, b"<html>")}  # noqa: RUF012

    def do_POST(self) -> None:
        name = self.rfile.read(int(self.headers["Content-Length"])).decode()
        status, body = self.answers[name]
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_another_programs_server_is_not_taken_for_ours(slipway, tmp_path):
    for name in _Other.answers:
        (tmp_path / name).write_text(name)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Other) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{other.server_port}"
        done = slipway("predict", "a.png", "b.png", "c.png", "--url", url, cwd=Path(tmp_path))
        other.shutdown()
    assert done.returncode == 1
    assert "a.png: the server's answer holds no predictions" in done.stderr
    assert "b.png: the server at" in done.stderr
    assert "answers with something other than JSON" in done.stderr
    assert "c.png: the server refused it (404): Not Found" in done.stderr
