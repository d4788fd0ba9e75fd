"""Triton Inference Server with its Python backend, by PyTriton, around our decoding and our engine."""

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pytriton.decorators import batch
from pytriton.model_config import DynamicBatcher, ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

from bench.serving.functions import Functions

if __name__ == "__main__":
    functions = Functions(os.environ["BENCH_BASE_DIR"])

    @batch  # type: ignore[untyped-decorator]
    def answer(picture: npt.NDArray[Any]) -> dict[str, npt.NDArray[Any]]:
        """Answer files, shape (N, 1), with JSON, shape (N, 1)."""
        bodies = functions.answer([bytes(file) for file in picture[:, 0]])
        return {"answer": np.array([[body] for body in bodies], dtype=object)}

    config = TritonConfig(
        http_address="127.0.0.1",
        http_port=int(os.environ["BENCH_PORT"]),
        allow_grpc=False,
        allow_metrics=False,
    )
    with Triton(config=config, workspace=Path(tempfile.mkdtemp()) / "workspace") as triton:
        triton.bind(
            model_name="model",
            infer_func=answer,
            inputs=[Tensor(name="picture", dtype=bytes, shape=(1,))],
            outputs=[Tensor(name="answer", dtype=bytes, shape=(1,))],
            config=ModelConfig(
                max_batch_size=int(os.environ["BENCH_BATCH_SIZE"]),
                batcher=DynamicBatcher(
                    max_queue_delay_microseconds=round(1e6 * float(os.environ["BENCH_BATCH_WITHIN_S"]))
                ),
            ),
            strict=False,
        )
        triton.serve()
