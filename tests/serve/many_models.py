"""A server with many models, and what tests ask of it as SageMaker would."""

import json
from pathlib import Path
from urllib.parse import quote

from tests.serve.server_process import Answer, ServerProcess
from tests.serve.supervisor.test_life import has_ended

MULTI = {"SAGEMAKER_MULTI_MODEL": "true"}


class ManyModels:
    """A server process and the models below its base directory."""

    def __init__(self, server: ServerProcess, base: Path) -> None:
        self.server = server
        self.base = base

    def url(self, name: str) -> str:
        """Where SageMaker unpacks a model."""
        return str(self.base / "models" / name / "model")

    def load(self, name: str, url: str | None = None) -> Answer:
        return self.post_models(json.dumps({"model_name": name, "url": self.url(name) if url is None else url}))

    def post_models(self, body: str | bytes) -> Answer:
        return self.server.request("POST", "/models", body, {"Content-Type": "application/json"})

    def unload(self, name: str) -> Answer:
        return self.server.request("DELETE", path(name))

    def get(self, name: str) -> Answer:
        return self.server.request("GET", path(name))

    def invoke(self, name: str, body: bytes | str, content_type: str = "image/jpeg", **headers: str) -> Answer:
        return self.server.request("POST", path(name) + "/invoke", body, {"Content-Type": content_type, **headers})

    @property
    def names(self) -> list[str]:
        """Of the models that the server lists."""
        answer = self.server.request("GET", "/models")
        assert answer.status == 200
        return [model["modelName"] for model in answer.json["models"]]

    @property
    def processes(self) -> set[int]:
        """All living ones of the server, except the one of multi-model-server's that measures the machine at its start.

        One that has ended may wait for a moment to be reaped.
        """
        return {pid for pid in self.server.descendants() if not has_ended(pid) and not _measures(pid)}

    def unload_all(self) -> None:
        for name in self.names:
            assert self.unload(name).status == 200


def _measures(pid: int) -> bool:
    """Also if it has ended meanwhile, or Java is about to start it."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        command = b""
    return not command or b"metric_collector.py" in command or b"jspawnhelper" in command


def path(name: str) -> str:
    return f"/models/{quote(name, safe='')}"


def put_model(base: Path, name: str, files: Path | None = None) -> Path:
    """A model directory, as SageMaker unpacks one, with the files of another, or empty."""
    directory = base / "models" / name / "model"
    directory.mkdir(parents=True)
    for file in files.iterdir() if files else ():
        (directory / file.name).symlink_to(file)
    return directory


def put_code(base: Path, name: str, text: str) -> Path:
    """A model that is the user's code alone."""
    code = put_model(base, name) / "code"
    code.mkdir()
    (code / "inference.py").write_text(text)
    return code.parent
