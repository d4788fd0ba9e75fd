"""The engines for a GPU and the choice among them, with the CPU in the GPU's place."""

import json
import logging
import multiprocessing
import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from container.graph.check_pictures import CheckPictures
from container.serve.worker.engine import choose, onnx_runtime
from container.serve.worker.engine.engine import Engine, Logits, Pixels
from container.serve.worker.engine.gpu_engines import choose_on_gpu
from container.serve.worker.engine.onnx_runtime import OnnxRuntime
from container.serve.worker.engine.trials import Candidate, Trials
from tests.serve.conftest import StartServer

CPU = torch.device("cpu")
SQUARES = list(np.random.default_rng(0).integers(0, 256, (13, 32, 32, 3), dtype=np.uint8))


@pytest.fixture
def model(tmp_path: Path, model_dir: Path) -> Path:
    """A model directory of the test's own."""
    return Path(shutil.copytree(model_dir, tmp_path / "model"))


@dataclass
class FakeGpu:
    """An engine that takes a given time for every forward pass."""

    name: str
    seconds: float = 0.0
    precision: str = "f16"
    device: str = "cuda:0"
    threads: int = 1
    loads: list[str] = field(default_factory=list)

    def __call__(self) -> Engine:
        self.loads.append(self.name)
        return self

    def logits(self, squares: Sequence[Pixels]) -> Logits:
        time.sleep(self.seconds)
        return np.zeros((len(squares), 3), np.float32)

    @property
    def candidate(self) -> Candidate:
        return Candidate(self.name, self)


def trials(folder: Path, *, about: str = "", allowed: bool = True, wrong: str = "none") -> Trials:
    return Trials(
        folder=folder,
        about={"model": about},
        agrees=lambda engine: engine.name != wrong,
        square=SQUARES[0],
        batch_size=2,
        allowed=allowed,
    )


def test_onnx_runtime_computes_what_torch_does_for_every_number_of_pictures(model: Path, tmp_path: Path) -> None:
    assert onnx_runtime.installed(CPU) == ["onnxruntime"]
    engine = OnnxRuntime("onnxruntime", model / "model.onnx", CPU, batch_size=6, cache=tmp_path)
    eager, _ = choose.eager(model, "cpu")
    wanted = eager.logits(SQUARES)
    for count in (1, 2, 3, 5, 6, 7, 13):
        found = engine.logits(SQUARES[:count])
        assert found.dtype == np.float32
        assert np.linalg.norm(found - wanted[:count]) < 0.01 * np.linalg.norm(wanted[:count])
    assert (engine.name, engine.precision, engine.device) == ("onnxruntime", "f16", "cpu")


def test_a_library_that_cannot_be_loaded_is_named(model: Path, tmp_path: Path) -> None:
    """The package onnxruntime, without CUDA, is installed in place of onnxruntime-gpu."""
    for name, provider in (("onnxruntime", "CUDAExecutionProvider"), ("tensorrt", "TensorrtExecutionProvider")):
        with pytest.raises(RuntimeError, match=f"no {provider}"):
            OnnxRuntime(name, model / "model.onnx", torch.device("cuda:0"), batch_size=1, cache=tmp_path / "cache")


def test_what_works_is_timed_at_the_first_start_and_kept(model: Path, caplog: pytest.LogCaptureFixture) -> None:
    said = []
    for _ in range(2):
        caplog.clear()
        with caplog.at_level(logging.INFO):
            found = choose_on_gpu(model, CPU, engine="auto", batch_size=4, trials=True)
        assert found
        assert found[0].name == "onnxruntime"
        said.append(caplog.text)
    assert "event=engine-refused engine=cuda-graphs" in said[0]
    assert "event=engine-timed engine=onnxruntime" in said[0]
    assert 'event=engine engine=onnxruntime precision=f16 why="the fastest one by engine-times.json"' in said[1]
    assert "engine-timed" not in said[1]
    kept = json.loads((model / "engine-times.json").read_text())
    assert kept["about"] | {"engines": ["cuda-graphs", "onnxruntime"], "batch_size": 4, "gpu": "cpu"} == kept["about"]
    assert kept["timed"]["onnxruntime"]["batch_ms"] > 0


def test_an_engine_that_is_asked_for_is_taken_untimed(model: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        found = choose_on_gpu(model, CPU, engine="onnxruntime", batch_size=2, trials=True)
    assert found
    assert 'engine=onnxruntime precision=f16 why="SLIPWAY_ENGINE=onnxruntime"' in caplog.text
    assert not (model / "engine-times.json").exists()


def test_one_that_is_not_installed_is_named_and_another_taken(model: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = choose_on_gpu(model, CPU, engine="tensorrt", batch_size=2, trials=False)
    assert found
    assert found[0].name == "onnxruntime"
    assert 'engine=tensorrt why="onnxruntime-gpu and onnx are not both installed"' in caplog.text


def test_without_a_usable_graph_only_torch_is_left(model: Path, caplog: pytest.LogCaptureFixture) -> None:
    (model / "model.onnx").unlink()
    assert choose_on_gpu(model, CPU, engine="auto", batch_size=2, trials=True) is None
    assert 'engine=onnxruntime why="there is no model.onnx"' in caplog.text
    engine, _ = choose.on_gpu(model, CPU, engine="auto", batch_size=2, trials=True)
    assert engine.name == "torch"


def test_a_graph_that_answers_otherwise_is_refused(model: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The tensors are torch's; the graph is another model's."""
    graph = onnx.load(model / "model.onnx")
    [weights] = [each for each in graph.graph.initializer if list(each.dims) in ([3, 512], [512, 3])]
    weights.CopyFrom(onnx.numpy_helper.from_array(-onnx.numpy_helper.to_array(weights), weights.name))
    onnx.save(graph, model / "model.onnx")
    assert choose_on_gpu(model, CPU, engine="auto", batch_size=2, trials=True) is None
    assert "event=engine-refused engine=onnxruntime precision=f16" in caplog.text


def write_foreign(graph: Path, inputs: str) -> None:
    helper, shape = onnx.helper, [1, 3, 8, 8]
    values = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name in f"{inputs}y"]
    node = helper.make_node("Sum", list(inputs), ["y"])
    onnx.save(helper.make_model(helper.make_graph([node], "foreign", values[:-1], values[-1:])), graph)


def write_newer(graph: Path) -> None:
    model = onnx.load(graph)
    model.opset_import[0].version = 99
    onnx.save(model, graph)


def write_without_its_data(graph: Path) -> None:
    onnx.save(onnx.load(graph), graph, save_as_external_data=True, location="data.bin")
    (graph.parent / "data.bin").unlink()


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda graph: graph.write_bytes(b""), "model.onnx has not one input and one output, as an exported"),
        (lambda graph: graph.write_bytes(graph.read_bytes()[:5000]), "Error parsing message"),
        (lambda graph: write_foreign(graph, "a"), "model.onnx does not take pictures as uint8 (N, size, size, 3)"),
        (lambda graph: write_foreign(graph, "ab"), "model.onnx has not one input and one output, as an exported"),
        (write_newer, "ONNX Runtime only *guarantees* support for models stamped with official released onnx opset"),
        (write_without_its_data, "data.bin, but it is not"),
    ],
    ids=["empty", "damaged", "foreign", "two inputs", "newer", "without its data"],
)
def test_a_graph_that_cannot_be_run_is_refused_with_the_reason(
    model: Path, caplog: pytest.LogCaptureFixture, spoil: Callable[[Path], object], why: str
) -> None:
    spoil(model / "model.onnx")
    assert choose_on_gpu(model, CPU, engine="auto", batch_size=2, trials=True) is None
    [said] = [line for line in caplog.text.splitlines() if "engine=onnxruntime" in line]
    assert why in said


def test_the_fastest_is_chosen_and_alone_loaded_later(tmp_path: Path) -> None:
    loads: list[str] = []
    slow, fast, wrong = (FakeGpu(name, s, loads=loads) for name, s in (("slow", 0.02), ("fast", 0.001), ("wrong", 0)))
    candidates = [each.candidate for each in (slow, fast, wrong)]
    assert trials(tmp_path, wrong="wrong").choose(candidates) is fast
    assert loads == ["slow", "fast", "wrong"]
    assert trials(tmp_path, wrong="wrong").choose(candidates) is fast
    assert loads[3:] == ["fast"]
    # Another model, GPU or version is another choice; one that has become wrong is made again.
    assert trials(tmp_path, about="other", wrong="fast").choose(candidates) is wrong
    assert trials(tmp_path, about="other", wrong="wrong").choose(candidates) is fast


@dataclass
class TooLarge(FakeGpu):
    """An engine that has no memory for a full batch."""

    def logits(self, squares: Sequence[Pixels]) -> Logits:
        if len(squares) > 1:
            raise RuntimeError("out of memory")
        return super().logits(squares)


def test_one_that_fails_while_it_is_timed_is_passed_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    large, wrong, right = TooLarge("large"), FakeGpu("wrong"), FakeGpu("right", 0.01)
    assert trials(tmp_path, wrong="wrong").choose([large.candidate, wrong.candidate]) is None
    assert trials(tmp_path, wrong="wrong").choose([large.candidate, right.candidate]) is right
    assert caplog.text.count('event=engine-refused engine=large why="out of memory"') == 2
    assert "the worker ended" not in caplog.text


def test_where_a_client_waits_the_first_that_is_right_is_taken(tmp_path: Path) -> None:
    slow, fast = FakeGpu("slow", 0.02), FakeGpu("fast")
    candidates = [slow.candidate, fast.candidate]
    assert trials(tmp_path, allowed=False).choose(candidates) is slow
    assert trials(tmp_path, allowed=False, wrong="slow").choose(candidates) is fast
    assert trials(tmp_path).choose(candidates) is fast
    assert trials(tmp_path, allowed=False).choose(candidates) is fast


def test_an_engine_that_ends_the_process_is_not_tried_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def end() -> Engine:
        os._exit(139)

    good, other = FakeGpu("good", 0.001), FakeGpu("other", 0.02)
    candidates = [good.candidate, Candidate("fatal", end), other.candidate]
    in_a_process(lambda: trials(tmp_path).choose(candidates), exits=139)
    for _ in range(2):
        caplog.clear()
        assert trials(tmp_path).choose(candidates) is good
        assert 'engine=fatal why="the worker ended while it tried this engine; remove ' in caplog.text
    assert json.loads((tmp_path / "engine-times.json").read_text())["timed"].keys() == {"good", "other"}


def test_workers_that_start_together_time_the_engines_once(tmp_path: Path) -> None:
    log = tmp_path / "loads"

    def load(name: str) -> Engine:
        with log.open("a") as file:
            file.write(f"{name}\n")
        return FakeGpu(name, 0.001)

    candidates = [Candidate(name, lambda name=name: load(name)) for name in ("first", "second")]
    processes = [start(lambda: trials(tmp_path).choose(candidates)) for _ in range(3)]
    for process in processes:
        process.join()
        assert process.exitcode == 0
    lines = log.read_text().splitlines()
    assert lines[:2] == ["first", "second"]
    assert len(lines) == 4
    assert lines[2] == lines[3]


def start(work: Callable[[], object]) -> multiprocessing.process.BaseProcess:
    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    return process


def in_a_process(work: Callable[[], object], exits: int) -> None:
    process = start(work)
    process.join()
    assert process.exitcode == exits


def test_damaged_times_are_measured_again(tmp_path: Path) -> None:
    fast, slow = FakeGpu("fast"), FakeGpu("slow", 0.02)
    for content in ("", "[]", "{}", '{"about": {"model": ""}, "engine": "gone"}'):
        (tmp_path / "engine-times.json").write_text(content)
        assert trials(tmp_path).choose([slow.candidate, fast.candidate]) is fast


def test_a_server_without_a_gpu_says_that_the_engine_needs_one(start_server: StartServer, base_dir: Path) -> None:
    server = start_server(base_dir, SLIPWAY_ENGINE="tensorrt", SLIPWAY_USE_CUDA="false")
    server.await_ready()
    [refused] = server.events("engine-refused")
    assert (refused["engine"], refused["why"]) == ("tensorrt", '"it needs a GPU; the fastest one for a CPU is taken"')
    [loaded] = server.events("loaded")
    assert loaded["engine"] == "openvino"


def test_the_check_pictures_agree_in_half_precision(model: Path, tmp_path: Path) -> None:
    engine = OnnxRuntime("onnxruntime", model / "model.onnx", CPU, batch_size=8, cache=tmp_path)
    check = CheckPictures.load(model)
    assert check.disagreement(engine.logits(list(check.squares)), engine.precision) == ""
