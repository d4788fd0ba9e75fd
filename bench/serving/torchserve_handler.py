"""A TorchServe handler as its users write it; copied into the model store."""

from typing import Any

import torch

from bench.serving.plain_model import PlainModel


class Handler:
    """Answers batches, with one forward pass for each."""

    def initialize(self, context: Any) -> None:
        gpu = context.system_properties.get("gpu_id")
        self._model = PlainModel(f"cuda:{gpu}" if torch.cuda.is_available() and gpu is not None else "cpu")

    def handle(self, data: list[dict[str, Any]], _context: Any) -> list[dict[str, int]]:
        pictures = [self._model.read(bytes(item["body"])) for item in data]
        return [{"class": index} for index in self._model.classes(pictures)]
