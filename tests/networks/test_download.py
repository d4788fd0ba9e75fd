"""Pretrained weights from the Hugging Face hub, here a server of the test's own."""

import hashlib
import logging
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import safetensors.torch
import torch
from huggingface_hub import constants

from container.networks.download import download

NETWORK = "test_convnext2"
FILE = "/timm/test_convnext2.r160_in1k/resolve/main/model.safetensors"


class Hub:
    """Serves one file as the hub does, and counts its downloads."""

    def __init__(self, content: bytes) -> None:
        self.downloads = 0
        hub, etag = self, hashlib.sha256(content).hexdigest()

        class Handler(BaseHTTPRequestHandler):
            def _begin(self) -> bool:
                found = self.path == FILE
                self.send_response(200 if found or self.path == "/" else 404)
                if found:
                    self.send_header("ETag", f'"{etag}"')
                    self.send_header("X-Repo-Commit", "0" * 40)
                    self.send_header("X-Linked-Size", str(len(content)))
                else:
                    self.send_header("X-Error-Code", "EntryNotFound")
                self.send_header("Content-Length", str(len(content) if found else 0))
                self.end_headers()
                return found

            def do_HEAD(self) -> None:
                self._begin()

            def do_GET(self) -> None:
                if self._begin():
                    hub.downloads += 1
                    self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    hub = Hub(safetensors.torch.save({"weight": torch.ones(3)}))
    monkeypatch.setattr(constants, "ENDPOINT", hub.address)
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", hub.address + "/{repo_id}/resolve/{revision}/{filename}"
    )
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    yield hub
    hub.close()


def test_weights_are_downloaded_once_and_then_need_no_network(hub: Hub):
    found = download(NETWORK)
    assert found is not None
    name, file = found
    assert name == "timm/test_convnext2.r160_in1k of the Hugging Face hub"
    assert safetensors.torch.load_file(file)["weight"].tolist() == [1, 1, 1]
    hub.close()
    assert download(NETWORK) == found
    assert hub.downloads == 1


def test_without_a_network_one_attempt_is_made(hub: Hub, caplog: pytest.LogCaptureFixture):
    hub.close()
    with caplog.at_level(logging.INFO):
        assert download(NETWORK) is None
    assert len([line for line in caplog.messages if "could not be downloaded" in line]) == 1
    assert "Retrying" not in caplog.text


def test_a_network_without_pretrained_weights(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.INFO):
        assert download("convnext_atto_rms") is None
    assert caplog.messages == ["timm knows no pretrained weights of convnext_atto_rms"]
