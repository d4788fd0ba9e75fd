"""What the image's HEALTHCHECK finds out about a server."""

import socket
import subprocess
import sys
from pathlib import Path

from tests.serve.server_process import REPOSITORY, ServerProcess, environment


def check(**settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "container.serve.healthcheck"],
        env=environment(Path("/nowhere"), **settings),
        capture_output=True,
        text=True,
    )


def the_one_line(result: subprocess.CompletedProcess[str]) -> str:
    assert (result.returncode, result.stdout) == (1, "")
    [line] = result.stderr.splitlines()
    assert line.startswith("healthcheck: ")
    return line


def test_a_ready_server_is_healthy_on_each_address_that_it_may_be_bound_to(server: ServerProcess) -> None:
    server.await_ready()
    # By the port alone: a proxy that the container is told of is not asked.
    for host in ("", "0.0.0.0", "127.0.0.1", "localhost"):
        healthy = check(SAGEMAKER_BIND_TO_PORT=str(server.port), SLIPWAY_HOST=host, http_proxy="http://127.0.0.1:9")
        assert (healthy.returncode, healthy.stdout, healthy.stderr) == (0, "", "")


def test_a_server_that_is_not_ready_is_unhealthy_and_says_why(base_dir: Path, start_server) -> None:
    (base_dir / "model" / "code" / "inference.py").write_text("import time\ntime.sleep(3600)\n")
    starting = start_server(base_dir)
    line = the_one_line(check(SAGEMAKER_BIND_TO_PORT=str(starting.port)))
    assert line.startswith("healthcheck: /ping returned 503: ")
    assert line.endswith(("the server is starting", "the model is being loaded"))


def test_no_server_and_one_that_does_not_answer() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        port = str(silent.getsockname()[1])
        refused = the_one_line(check(SAGEMAKER_BIND_TO_PORT=port))
        assert refused == f"healthcheck: no answer from /ping on 127.0.0.1 port {port}: [Errno 111] Connection refused"
        silent.listen()
        assert ": timed out" in the_one_line(check(SAGEMAKER_BIND_TO_PORT=port))


def test_another_server_on_the_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        command = [sys.executable, "-m", "container.serve.healthcheck"]
        settings = environment(Path("/nowhere"), SAGEMAKER_BIND_TO_PORT=str(other.getsockname()[1]))
        asked = subprocess.Popen(command, env=settings, stderr=subprocess.PIPE, text=True)
        connection, _ = other.accept()
        with connection:
            assert connection.recv(1000).startswith(b"GET /ping HTTP/1.1")
            connection.sendall(b"HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\nno")
            _, said = asked.communicate()
    assert (asked.returncode, said) == (1, "healthcheck: /ping returned 404: no reason given\n")


def test_a_port_that_only_the_log_knows_and_one_that_is_none() -> None:
    assert "SAGEMAKER_BIND_TO_PORT is 0" in the_one_line(check(SAGEMAKER_BIND_TO_PORT="0"))
    assert "SAGEMAKER_BIND_TO_PORT is 'http'" in the_one_line(check(SAGEMAKER_BIND_TO_PORT="http"))


def test_it_imports_little() -> None:
    """It runs every few seconds beside the model."""
    code = "import sys, container.serve.healthcheck; print({'torch', 'numpy', 'PIL', 'asyncio'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True)
    assert result.stdout == "set()\n", result.stderr
