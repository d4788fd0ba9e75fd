"""A server on a GPU."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from container.serve.config import ServeConfig
from container.serve.engine import choose
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
    assert {line["engine"] for line in on_gpu.events("loaded")} == {"cuda-graphs"}
    assert {(line["device"], line["engine"]) for line in on_cpu.events("loaded")} == {("cpu", "openvino")}
    for picture in pictures[:5]:
        answers = [server.post(picture).json["predictions"] for server in (on_gpu, on_cpu)]
        probabilities = [{entry["label"]: entry["probability"] for entry in answer} for answer in answers]
        # bfloat16 has seven bits of mantissa.
        assert probabilities[0] == pytest.approx(probabilities[1], abs=0.05)


def test_every_number_of_pictures_goes_through_the_graphs(model_dir: Path) -> None:
    config = ServeConfig.from_environment({"SLIPWAY_BATCH_SIZE": "6"}, model_dir=model_dir)
    engine, card = choose.on_gpu(model_dir, torch.device("cuda:0"), plain=False, batch_size=config.batch_size)
    eager, _ = choose.eager(model_dir, "cuda:0")
    assert (engine.name, eager.name) == ("cuda-graphs", "torch")
    side = card.preprocessing.size
    squares = list(np.random.default_rng(0).integers(0, 256, (13, side, side, 3), dtype=np.uint8))
    wanted = eager.logits(squares)
    for count in (1, 2, 3, 5, 6, 7, 13):
        found = engine.logits(squares[:count])
        assert np.linalg.norm(found - wanted[:count]) < 0.05 * np.linalg.norm(wanted[:count])


def test_check_says_the_gpu(base_dir: Path) -> None:
    result = subprocess.run(serve_command("--check"), env=environment(base_dir), capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")
    assert "device=cuda:0" in result.stdout
