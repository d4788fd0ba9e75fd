"""A server on a GPU."""

import subprocess
from pathlib import Path

import pytest
import torch

from tests.serve.server_process import environment, serve_command

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU that torch can use"),
]


def test_the_gpu_answers_as_the_cpu_does(base_dir: Path, start_server, pictures: list[bytes]) -> None:
    on_gpu, on_cpu = start_server(base_dir), start_server(base_dir, SLIPWAY_USE_CUDA="false")
    for server in (on_gpu, on_cpu):
        server.await_ready()
    assert f" x {torch.cuda.get_device_name()} (" in on_gpu.events("gpu")[0]["found"]
    assert {line["device"] for line in on_gpu.events("loaded")} == {
        f"cuda:{index}" for index in range(torch.cuda.device_count())
    }
    assert {line["device"] for line in on_cpu.events("loaded")} == {"cpu"}
    for picture in pictures[:5]:
        answers = [server.post(picture).json["predictions"] for server in (on_gpu, on_cpu)]
        probabilities = [{entry["label"]: entry["probability"] for entry in answer} for answer in answers]
        # TensorFloat-32 has ten bits of mantissa.
        assert probabilities[0] == pytest.approx(probabilities[1], abs=0.02)


def test_check_says_the_gpu(base_dir: Path) -> None:
    result = subprocess.run(serve_command("--check"), env=environment(base_dir), capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")
    assert "device=cuda:0" in result.stdout
