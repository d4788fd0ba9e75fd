"""Measures how fast a model answers: each form of the engine, its error against float32, and a worker's whole path from
JPEG files to answers, without multi-model-server."""

import itertools
import multiprocessing
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from importlib.util import find_spec
from multiprocessing.synchronize import Barrier

import numpy as np
import torch

from bench.gpu.part import Options
from bench.gpu.record import Record
from bench.serving.functions import Functions
from bench.serving.ours import worker_environment
from bench.serving.workload import Workload
from bench.telling import tell
from container import artifact
from container.contract.model_files import GRAPH
from container.cpus import available_cpus
from container.gpu import SWITCH
from container.graph.probabilities import softmax
from container.picture_limits import MAX_PIXELS
from container.preprocessing import Preprocessing
from container.serve.worker.engine import onnx_runtime
from container.serve.worker.engine.engine import Logits, Pixels
from container.serve.worker.engine.onnx_runtime import OnnxRuntime
from container.serve.worker.pixels import square

Run = Callable[[Sequence[Pixels]], Logits]

_COMPILE_S = 25.0
_COMPILED_BATCHES = (8, 32)
_BATCH_SIZES = ("8", "32")
"""Values of SLIPWAY_BATCH_SIZE: the default, and one for a large GPU."""


def run(options: Options, record: Record) -> None:
    _Serving(options, record).run()


_barrier: Barrier | None = None


def _share_barrier(barrier: Barrier) -> None:
    global _barrier
    _barrier = barrier


def _settings(batch_size: str) -> dict[str, str]:
    """Select the server's settings from this process's environment."""
    names = (SWITCH, "SLIPWAY_ENGINE")
    return {"SLIPWAY_BATCH_SIZE": batch_size} | {name: os.environ[name] for name in names if name in os.environ}


def _answer_for(seconds: float, base_dir: str, bodies: Sequence[bytes]) -> float:
    """Measure one worker's requests per second, while all workers answer."""
    assert _barrier is not None
    size = _BATCH_SIZES[0]
    functions = Functions(base_dir, **_settings(size))
    batches = itertools.cycle([bodies[start : start + int(size)] for start in range(0, len(bodies), int(size))])
    functions.answer(next(batches))
    _barrier.wait()
    done, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        done += len(functions.answer(next(batches)))
    rate = done / (time.perf_counter() - start)
    _barrier.wait()
    return rate


class _Serving:
    def __init__(self, options: Options, record: Record) -> None:
        os.environ |= worker_environment() | {SWITCH: str(options.on_gpu).lower()}
        if not options.on_gpu and find_spec("openvino") is None:
            os.environ["SLIPWAY_ENGINE"] = "torch"
        self._options, self._sizes, self._record = options, options.sizes, record
        self._device = torch.device("cuda" if options.on_gpu else "cpu")
        folder = options.scratch / "serving"
        folder.mkdir()
        self._workload = Workload.make(
            folder,
            self._sizes.model,
            self._sizes.image_size,
            pictures=self._sizes.served,
            kept=options.scratch,
            told=tell,
        )
        self._base_dir = str(folder / "ours")
        self._model = folder / "ours" / "model"
        self._preprocessing = Preprocessing.for_size(self._sizes.image_size)
        self._bodies = [path.read_bytes() for path in self._workload.pictures]
        self._squares = [square(body, self._preprocessing, MAX_PIXELS) for body in self._bodies]
        self._truth = self._all_of(self._eager(torch.float32, torch.device("cpu")))

    def run(self) -> None:
        """Measure the forms that start quickly, then the worker's path, then the compiled form."""
        for name, make in self._engines().items():
            self._record.measure("engine", partial(self._engine, make), takes_s=self._least_s(4), engine=name)
        for batch_size in _BATCH_SIZES:
            worker = cache(partial(Functions, self._base_dir, **_settings(batch_size)))
            for at_once in self._sizes.at_once:
                self._record.measure(
                    "worker",
                    partial(self._worker, worker, at_once),
                    takes_s=self._least_s(4),
                    batch_size=int(batch_size),
                    at_once=at_once,
                )
        for workers in self._sizes.workers:
            self._record.measure(
                "workers",
                partial(self._workers, workers),
                takes_s=self._least_s(15),
                workers=workers,
                batch_size=int(_BATCH_SIZES[0]),
            )
        if self._options.quick:
            self._record.skip("engine", "compiling takes long", engine="bf16, compiled")
            return
        self._record.measure(
            "engine",
            partial(self._engine, self._compiled, batches=_COMPILED_BATCHES),
            takes_s=self._least_s(_COMPILE_S),
            engine="bf16, compiled",
        )

    def _least_s(self, seconds: float) -> float:
        return seconds if self._options.on_gpu else 0.0

    def _engines(self) -> dict[str, Callable[[], Run]]:
        half = [(torch.bfloat16, "bf16")] + [(torch.float16, "fp16")] * self._options.on_gpu
        engines: dict[str, Callable[[], Run]] = {
            "fp32 (TF32 convolutions), contiguous": partial(self._eager, torch.float32, channels_last=False),
            "fp32 (TF32 convolutions)": partial(self._eager, torch.float32),
            **{name: partial(self._eager, dtype) for dtype, name in half},
        }
        if self._options.on_gpu:
            engines |= {f"{name}, CUDA graphs": partial(self._graphs, dtype) for dtype, name in half}
        else:
            self._record.skip("engine", "CUDA graphs need a GPU", engine="bf16, CUDA graphs")
            self._record.skip("engine", "fp16 needs a GPU", engine="fp16")
        return engines | self._onnx_runtimes()

    def _onnx_runtimes(self) -> dict[str, Callable[[], Run]]:
        """Find ONNX Runtime's engines; it can be the build for CPUs where there is no GPU."""
        names = onnx_runtime.installed(self._device)
        if not names or not (self._model / GRAPH).is_file():
            why = f"the model has no {GRAPH}" if names else "onnxruntime-gpu and onnx are not both installed"
            self._record.skip("engine", why, engine="fp16, ONNX Runtime")
            return {}
        return {f"fp16, {name}": partial(self._onnx_runtime, name) for name in names}

    def _onnx_runtime(self, name: str) -> Run:
        most = max(self._sizes.served_batches)
        cache = self._options.scratch / "tensorrt-cache"
        return OnnxRuntime(name, self._model / GRAPH, self._device, batch_size=most, cache=cache).logits

    def _eager(self, dtype: torch.dtype, device: torch.device | None = None, *, channels_last: bool = True) -> Run:
        device = device or self._device
        model, _ = artifact.load(self._model)
        layout = torch.channels_last if channels_last else torch.contiguous_format
        return self._asked(model.to(device, dtype).to(memory_format=layout).eval(), dtype, device)

    def _compiled(self) -> Run:
        model, _ = artifact.load(self._model)
        model = model.to(self._device, torch.bfloat16).to(memory_format=torch.channels_last).eval()
        model.compile(dynamic=False)
        return self._asked(model, torch.bfloat16, self._device)

    def _asked(self, model: torch.nn.Module, dtype: torch.dtype, device: torch.device) -> Run:
        normalize = self._preprocessing.normalizer(device)

        def logits(squares: Sequence[Pixels]) -> Logits:
            with torch.inference_mode():
                batch = normalize(torch.from_numpy(np.stack(squares)).to(device)).to(dtype)
                outputs: Logits = model(batch).float().cpu().numpy()
            return outputs

        return logits

    def _graphs(self, dtype: torch.dtype) -> Run:
        from container.serve.worker.engine.cuda_graphs import Graphs

        model, _ = artifact.load(self._model)
        most = max(self._sizes.served_batches)
        return Graphs(model, self._preprocessing, self._device, batch_size=most, half=dtype).logits

    def _engine(self, make: Callable[[], Run], batches: Sequence[int] = ()) -> Mapping[str, object]:
        start = time.perf_counter()
        logits = make()
        logits(self._squares[:1])
        found: dict[str, object] = {"ready_s": time.perf_counter() - start}
        found["images_per_s"] = {
            size: round(size / self._seconds(partial(logits, self._some(size))), 1)
            for size in batches or self._sizes.served_batches
        }
        if not batches:
            found |= self._distance(self._all_of(logits))
        return found

    def _some(self, count: int) -> list[Pixels]:
        return list(itertools.islice(itertools.cycle(self._squares), count))

    def _seconds(self, call: Callable[[], object]) -> float:
        """Time a call that returns numbers on the host."""
        call()
        done, start = 0, time.perf_counter()
        while time.perf_counter() - start < self._sizes.measured_s / 3:
            call()
            done += 1
        return (time.perf_counter() - start) / done

    def _all_of(self, logits: Run) -> Logits:
        size = max(self._sizes.served_batches)
        parts = [logits(self._squares[start : start + size]) for start in range(0, len(self._squares), size)]
        return np.concatenate(parts)

    def _distance(self, found: Logits) -> dict[str, object]:
        """Compute the errors against float32 on a CPU, over all pictures."""
        return {
            "relative_error": float(np.linalg.norm(found - self._truth) / np.linalg.norm(self._truth)),
            "largest_difference_of_a_probability": float(np.abs(softmax(found) - softmax(self._truth)).max()),
            "same_class": float((found.argmax(1) == self._truth.argmax(1)).mean()),
        }

    def _workers(self, count: int) -> Mapping[str, object]:
        """Measure several workers on one device, each with batches of its own, as in a server."""
        context = multiprocessing.get_context("spawn")
        all_loaded = context.Barrier(count)
        os.environ["OMP_NUM_THREADS"] = str(max(1, available_cpus() // count))
        with ProcessPoolExecutor(count, context, initializer=_share_barrier, initargs=(all_loaded,)) as pool:
            seconds = 2 * self._sizes.measured_s
            bodies = self._bodies[: self._sizes.served_batches[-1]]
            running = [pool.submit(_answer_for, seconds, self._base_dir, bodies) for _ in range(count)]
            rates = [each.result() for each in running]
        return {"requests_per_s": sum(rates), "cpus": available_cpus()}

    def _worker(self, load: Callable[[], Functions], at_once: int) -> Mapping[str, object]:
        functions = load()
        bodies = itertools.cycle(self._bodies)

        def answer() -> None:
            functions.answer(list(itertools.islice(bodies, at_once)))

        answer()
        path_s = self._seconds(answer) / at_once
        engine = functions.predictor.engine
        size = min(at_once, functions.batch_size)
        engine_s = self._seconds(partial(engine.logits, self._some(size))) / size
        return {
            "engine": engine.name,
            "precision": engine.precision,
            "requests_per_s": 1 / path_s,
            "engine_images_per_s": 1 / engine_s,
            "to_engine": engine_s / path_s,
            "cpus": available_cpus(),
        }
