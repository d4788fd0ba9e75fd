"""The serving image, started as SageMaker, Kubernetes and users start it."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bench.hostile import all_bodies
from slipway.sample import CLASSES
from tests.images.containers import LOCKED_DOWN, SERVING_GRACE_S, Container, Docker, Images, serving
from tests.serve.server_process import await_true
from tests.serve.supervisor.test_life import SLEEPER
from tests.train.conftest import JobDirectory

_DEAR = ("JPEG, progressive", "WebP", "PNG, RGB, ", "PNG, palette", "TIFF, LZMA", "8,000,000 empty lists", "450,000")


def listening_ports(container: Container) -> set[int]:
    """Ports on which something listens that other machines can reach."""
    ports = set()
    for line in container.execute("sh", "-c", "cat /proc/net/tcp /proc/net/tcp6").splitlines():
        fields = line.split()
        if fields[3] == "0A":
            address, _, port = fields[1].partition(":")
            # The last byte comes first: all of 127.0.0.0/8, plain or mapped into IPv6, and ::1.
            if not address.endswith("7F") and address != f"{'0' * 24}01000000":
                ports.add(int(port, 16))
    return ports


def held_connections(container: Container, port: int) -> int:
    lines = [line.split() for line in container.execute("cat", "/proc/net/tcp").splitlines()]
    return sum(fields[1].endswith(f":{port:04X}") and fields[3] == "01" for fields in lines)


def test_a_model_as_training_left_it_is_served(docker: Docker, images: Images, trained: JobDirectory):
    digit = next((trained.base / "input" / "data" / "test" / "seven").glob("*.png")).read_bytes()
    with serving(docker, images.serve, trained.model) as server:
        assert server.await_ready() == [503, 200]
        answer = server.request("POST", "/invocations", digit, "image/png")
        assert answer.status == 200
        predictions = answer.json["predictions"]
        assert len(predictions) == 5
        assert {prediction["label"] for prediction in predictions} < set(CLASSES)
        assert listening_ports(server.container) == {8080}
        await_true(lambda: server.container.state["Health"]["Status"] == "healthy", "the engine finds it healthy")
        ended = server.container.stop(SERVING_GRACE_S)
    assert ended.code == 0, ended.log
    assert ended.stderr == ""


def test_any_user_serves_on_any_port_where_nothing_can_be_written(
    docker: Docker, images: Images, trained: JobDirectory
):
    digit = next((trained.base / "input" / "data" / "test" / "two").glob("*.png")).read_bytes()
    setting = "--env=SAGEMAKER_BIND_TO_PORT=9090"
    with serving(docker, images.serve, trained.model, *LOCKED_DOWN, setting, port=9090) as server:
        server.await_ready()
        assert server.request("POST", "/invocations", digit, "image/png").status == 200
        assert listening_ports(server.container) == {9090}
        await_true(lambda: server.container.state["Health"]["Status"] == "healthy", "the engine finds it healthy")
        assert server.container.stop(SERVING_GRACE_S).code == 0


def test_a_serverless_endpoint_of_1_gb_outlives_hostile_bodies(docker: Docker, images: Images, trained: JobDirectory):
    digit = next((trained.base / "input" / "data" / "test" / "two").glob("*.png")).read_bytes()
    limits = ("--memory=1g", "--memory-swap=1g")
    with serving(docker, images.serve, trained.model, *limits) as server, ThreadPoolExecutor(4) as pool:
        server.await_ready()
        for hostile in all_bodies():
            if hostile.name.startswith(_DEAR):
                body = hostile.make()
                sent = [
                    pool.submit(server.request, "POST", "/invocations", body, hostile.content_type) for _ in range(4)
                ]
                assert server.request("POST", "/invocations", digit, "image/png").status == 200
                assert {request.result().status for request in sent} <= {200, 413, 422}, hostile.name
        assert server.container.state["Running"]
        ended = server.container.stop(SERVING_GRACE_S)
    assert "worker-ended" not in ended.stdout


def test_docker_stop_answers_what_was_accepted(docker: Docker, images: Images, tmp_path: Path):
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "inference.py").write_text(SLEEPER)
    with serving(docker, images.serve, tmp_path) as server, ThreadPoolExecutor(5) as pool:
        server.await_ready()
        requests = [pool.submit(server.request, "POST", "/invocations", b"0.5", "text/csv") for _ in range(5)]
        await_true(lambda: held_connections(server.container, 8080) >= 5, "all are held")
        server.container.await_log("sleeping 0.5 s")
        ended = server.container.stop(SERVING_GRACE_S)
        assert [request.result().status for request in requests] == [200] * 5
    assert ended.code == 0, ended.log
    assert "event=draining" in ended.stdout


@pytest.mark.parametrize("command", [[], ["serve"]])
def test_without_a_model_it_ends_with_one_line(docker: Docker, images: Images, command: list[str]):
    ended = docker.run("--network=none", images.serve, *command)
    assert ended.code == 1
    assert len(ended.stderr.splitlines()) == 1
    assert ended.stderr.startswith("serve: ")
    assert "/opt/ml/model" in ended.stderr
