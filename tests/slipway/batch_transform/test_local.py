"""Batch transform in local mode: what is heard of the container, which stands here for the SDK's and Docker's."""

import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from slipway.aws.session import local_session
from slipway.batch_transform.local import transform_here
from slipway.errors import RemoteJobError, SettingError


@pytest.fixture
def here():
    """A session of local mode, at whose port nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return local_session(serving_port=port)


class Container(BaseHTTPRequestHandler):
    """Answers every request alike."""

    def do_POST(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"Beagle,0.9")

    def log_message(self, *arguments):
        """Say nothing."""


def test_local_modes_container_is_not_heard_while_it_answers(here, capsys):
    done = []
    with transform_here(here, "t1", done.append):
        sys.stdout.write("Attaching to algo-1\n\x1b[36malgo-1 |\x1b[0m event=ready\n")
        with HTTPServer(("127.0.0.1", here.config["local"]["serving_port"]), Container) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            for _ in range(2):
                here.sagemaker_runtime_client.invoke_endpoint(b"picture", "", "image/png", "text/csv")
            server.shutdown()
    assert done == [1, 2]
    assert capsys.readouterr() == ("", "")


def test_local_modes_container_has_the_last_word_when_it_fails(here, capsys):
    shown = []

    def fail():
        sys.stdout.write("Attaching to algo-1\nalgo-1 | ready\nalgo-1 | no model\n")
        raise RuntimeError("Giving up")

    words = r"t1 failed in local mode: Giving up; its container's last output: ready / no model$"
    with pytest.raises(RemoteJobError, match=words), transform_here(here, "t1", print, shown.append):
        fail()
    assert shown == ["ready", "no model"]
    assert capsys.readouterr() == ("", "")


def test_of_the_threads_that_fail_meanwhile_only_dockers_is_passed_over(here, monkeypatch):
    seen = []
    monkeypatch.setattr(threading, "excepthook", lambda arguments: seen.append(arguments.exc_type))

    def fail(error):
        raise error

    with transform_here(here, "t1", print):
        for error in (RuntimeError("Failed to run: docker-compose"), ValueError("Failed to run")):
            thread = threading.Thread(target=fail, args=(error,))
            thread.start()
            thread.join()
    assert seen == [ValueError]


def test_pictures_are_not_sent_to_whatever_else_listens_at_the_port(here):
    with (
        HTTPServer(("127.0.0.1", here.config["local"]["serving_port"]), Container),
        pytest.raises(SettingError, match="something else answers at port"),
        transform_here(here, "t1", print),
    ):
        pass
