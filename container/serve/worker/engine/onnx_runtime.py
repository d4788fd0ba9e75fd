"""Runs the exported graph on a GPU in float16 with ONNX Runtime: by its own CUDA kernels, or by TensorRT.

The providers' options are those of ONNX Runtime's manual, "CUDA Execution Provider" and "TensorRT Execution Provider".
"""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch

from container.serve.worker.engine.batch_sizes import batch_sizes, in_padded_batches
from container.serve.worker.engine.engine import Logits, Pixels

CUDA, TENSORRT = "onnxruntime", "tensorrt"

_PROVIDERS = {CUDA: "CUDAExecutionProvider", TENSORRT: "TensorrtExecutionProvider"}
_FATAL = 4  # ONNX Runtime's level of logging: what it cannot load is said once, by the error


def installed(device: torch.device) -> list[str]:
    """Name the engines that the installed ONNX Runtime was built with, for a device; "cpu" is for tests."""
    if not (find_spec("onnxruntime") and find_spec("onnx")):
        return []
    import onnxruntime

    built_with = onnxruntime.get_available_providers()
    return [CUDA] if device.type == "cpu" else [name for name, needed in _PROVIDERS.items() if needed in built_with]


def version() -> str:
    """Return the installed ONNX Runtime's version."""
    import onnxruntime

    return str(onnxruntime.__version__)


class OnnxRuntime:
    """A session that is warm for 1, 2, 4, ... pictures up to a batch; other batches are padded to the next size."""

    precision = "f16"

    def __init__(self, name: str, graph: Path, device: torch.device, *, batch_size: int, cache: Path) -> None:
        """
        Args:
            name: `CUDA` or `TENSORRT`.
            graph: `model.onnx`: uint8 (N, size, size, 3) to logits, float32 (N, classes).
            device: The GPU.
            batch_size: Most pictures in a forward pass.
            cache: A folder, where TensorRT keeps what it built.

        Raises:
            RuntimeError: The graph is none of ours, or the library that the engine needs cannot be loaded.
        """
        import onnx
        import onnxruntime
        from onnxruntime.transformers.float16 import convert_float_to_float16

        self.name = name
        self.device = str(device)
        self.threads = torch.get_num_threads()
        model = onnx.load(graph)
        if not (len(model.graph.input) == len(model.graph.output) == 1):
            raise RuntimeError(f"{graph.name} has not one input and one output, as an exported network has")
        [pixels] = model.graph.input
        kind = pixels.type.tensor_type
        side = kind.shape.dim[1].dim_value if len(kind.shape.dim) == 4 else 0
        if kind.elem_type != onnx.TensorProto.UINT8 or side < 1:
            raise RuntimeError(
                f"{graph.name} does not take pictures as uint8 (N, size, size, 3): it is another network's"
            )
        providers = _providers(name, device, f"{pixels.name}:{{}}x{side}x{side}x3", batch_size, cache)
        for provider, _ in providers:
            if provider not in onnxruntime.get_available_providers():
                raise RuntimeError(f"this ONNX Runtime has no {provider}")
        half = convert_float_to_float16(model, keep_io_types=True).SerializeToString()
        onnxruntime.set_default_logger_severity(_FATAL)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _FATAL
        options.intra_op_num_threads = self.threads
        self._session = onnxruntime.InferenceSession(half, options, providers, enable_fallback=0)
        if self._session.get_providers()[0] != providers[0][0]:
            raise RuntimeError(f"ONNX Runtime cannot load what its {providers[0][0]} needs")
        self._input = pixels.name
        self._sizes = batch_sizes(batch_size)
        blank = np.zeros((side, side, 3), np.uint8)
        for size in reversed(self._sizes):
            self.logits([blank] * size)

    def logits(self, squares: Sequence[Pixels]) -> Logits:
        """See `Engine`; more pictures than a batch are split."""
        return in_padded_batches(self._part, squares, self._sizes)

    def _part(self, squares: Sequence[Pixels], size: int) -> Logits:
        batch = np.zeros((size, *squares[0].shape), np.uint8)
        np.stack(squares, out=batch[: len(squares)])
        found: Logits = self._session.run(None, {self._input: batch})[0][: len(squares)]
        return found


def _providers(
    name: str, device: torch.device, shape: str, batch_size: int, cache: Path
) -> list[tuple[str, dict[str, Any]]]:
    if device.type == "cpu":
        return [("CPUExecutionProvider", {})]
    here = {"device_id": device.index or 0}
    # By default its memory grows by doubling, beside that of other workers.
    cuda = (_PROVIDERS[CUDA], here | {"arena_extend_strategy": "kSameAsRequested"})
    if name == CUDA:
        return [cuda]
    cache.mkdir(parents=True, exist_ok=True)
    options = here | {
        "trt_fp16_enable": True,
        "trt_engine_cache_enable": True,
        "trt_engine_cache_path": str(cache),
        "trt_timing_cache_enable": True,
        "trt_timing_cache_path": str(cache),
        "trt_profile_min_shapes": shape.format(1),
        "trt_profile_opt_shapes": shape.format(batch_size),
        "trt_profile_max_shapes": shape.format(batch_size),
    }
    return [(_PROVIDERS[TENSORRT], options), cuda]
