"""The serving image as the container of a multi-model endpoint, with what training left as its models."""

from pathlib import Path

import pytest

from tests.images.containers import LOCKED_DOWN, SERVING_GRACE_S, Docker, Images, Server, serving
from tests.serve.many_models import path
from tests.train.conftest import JobDirectory


def load(server: Server, name: str, directory: str) -> int:
    body = f'{{"model_name": "{name}", "url": "/opt/ml/models/{directory}/model"}}'.encode()
    return server.request("POST", "/models", body, "application/json").status


@pytest.mark.parametrize("locked_down", [False, True], ids=["as on SageMaker", "locked down"])
def test_models_come_and_go(
    locked_down: bool, docker: Docker, images: Images, trained: JobDirectory, tmp_path: Path
) -> None:
    digit = next((trained.base / "input" / "data" / "test" / "seven").glob("*.png")).read_bytes()
    models = [f"--volume={trained.model}:/opt/ml/models/{name}/model:ro" for name in ("odd", "even")]
    options = [*models, "--env=SAGEMAKER_MULTI_MODEL=true", "--memory=3g", *(LOCKED_DOWN if locked_down else ())]
    with serving(docker, images.serve, tmp_path, *options) as server:
        server.await_ready()
        assert server.request("GET", "/models").json == {"models": []}
        assert [load(server, "odd/1", "odd"), load(server, "odd/1", "odd"), load(server, "even", "even")] == [
            200,
            409,
            200,
        ]
        for name in ("odd/1", "even"):
            answer = server.request("POST", path(name) + "/invoke", digit, "image/png")
            assert (answer.status, len(answer.json["predictions"])) == (200, 5)
        assert server.request("POST", "/invocations", digit, "image/png").status == 404
        assert server.request("DELETE", path("odd/1")).status == 200
        assert server.request("GET", "/models").json["models"] == [
            {"modelName": "even", "modelUrl": "/opt/ml/models/even/model"}
        ]
        ended = server.container.stop(SERVING_GRACE_S)
    assert ended.code == 0, ended.log
    assert ended.stderr == ""
