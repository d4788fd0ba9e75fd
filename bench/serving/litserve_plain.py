"""LitServe as its users write it: base64 in JSON, and plain torch."""

import base64
import os
from collections.abc import Sequence
from typing import Any

import litserve
import torch

from bench.serving.plain_model import PlainModel


class Classifier(litserve.LitAPI):  # type: ignore[misc]
    """Answers batches of tensors."""

    def setup(self, device: str) -> None:
        self._model = PlainModel(device)

    def decode_request(self, request: dict[str, Any]) -> torch.Tensor:
        return self._model.read(base64.b64decode(request["image"]))

    def batch(self, inputs: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        return list(inputs)

    def predict(self, pictures: Sequence[torch.Tensor]) -> list[int]:
        return self._model.classes(pictures)

    def unbatch(self, output: list[int]) -> list[int]:
        return output

    def encode_response(self, index: int) -> dict[str, int]:
        return {"class": index}


def run(api: litserve.LitAPI) -> None:
    """Serve an API on the port that the environment names."""
    server = litserve.LitServer(api, timeout=300)
    server.run(host="127.0.0.1", port=int(os.environ["BENCH_PORT"]), generate_client_file=False, log_level="warning")


def batching() -> dict[str, Any]:
    """Return the arguments that configure batching."""
    return {
        "max_batch_size": int(os.environ["BENCH_BATCH_SIZE"]),
        "batch_timeout": float(os.environ["BENCH_BATCH_WITHIN_S"]),
    }


if __name__ == "__main__":
    run(Classifier(**batching()))
