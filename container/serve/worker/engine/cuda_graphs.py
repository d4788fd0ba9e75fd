"""Runs the network on a GPU in 16 bits, launching a forward pass as one CUDA graph."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from container.preprocessing import Preprocessing
from container.serve.worker.engine.batch_sizes import batch_sizes, in_padded_batches
from container.serve.worker.engine.engine import Logits, Pixels

NAME = "cuda-graphs"

_WARM_UPS = 3  # before a capture, on another stream: it must not include libraries' one-time work


class Graphs:
    """CUDA graphs for 1, 2, 4, ... pictures up to a batch; other batches are padded to the next size."""

    name = NAME

    def __init__(
        self,
        model: nn.Module,
        preprocessing: Preprocessing,
        device: torch.device,
        *,
        batch_size: int,
        half: torch.dtype | None = None,
    ) -> None:
        """
        Args:
            model: Is moved to the device.
            preprocessing: How pixels become its input.
            device: The GPU.
            batch_size: Most pictures in a forward pass.
            half: torch.bfloat16 or torch.float16; None for bfloat16 if the GPU supports it, else float16.
        """
        if half is None:
            half = torch.bfloat16 if torch.cuda.get_device_capability(device) >= (8, 0) else torch.float16
        self.precision = "bf16" if half == torch.bfloat16 else "f16"
        self.device = str(device)
        self.threads = torch.get_num_threads()
        self._model = model.to(device, half).to(memory_format=torch.channels_last).eval()
        self._normalize = preprocessing.normalizer(device)
        self._half = half
        side = preprocessing.size
        self._sizes = batch_sizes(batch_size)
        # Pinned, so that copies are asynchronous; reused, so that a request allocates nothing.
        self._host = torch.zeros((batch_size, side, side, 3), dtype=torch.uint8).pin_memory()
        self._pixels = self._host.numpy()
        self._inputs = torch.zeros_like(self._host, device=device)
        # The graphs share memory: a graph's outputs are fetched before the next one runs.
        self._pool = torch.cuda.graph_pool_handle()
        with torch.cuda.device(device), torch.inference_mode():
            # The largest first: the others fit into its memory.
            captured = [(size, *self._capture(size)) for size in reversed(self._sizes)]
        self._graphs = {size: (graph, outputs) for size, graph, outputs in captured}

    def _forward(self, size: int) -> torch.Tensor:
        batch = self._normalize(self._inputs[:size]).to(self._half)
        outputs: torch.Tensor = self._model(batch).float()
        return outputs

    def _capture(self, size: int) -> tuple[torch.cuda.CUDAGraph, torch.Tensor]:
        beside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):
            for _ in range(_WARM_UPS):
                self._forward(size)
        torch.cuda.current_stream().wait_stream(beside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool):
            outputs = self._forward(size)
        return graph, outputs

    def logits(self, squares: Sequence[Pixels]) -> Logits:
        """See `Engine`; more pictures than a batch are split."""
        return in_padded_batches(self._part, squares, self._sizes)

    def _part(self, squares: Sequence[Pixels], size: int) -> Logits:
        count = len(squares)
        np.stack(squares, out=self._pixels[:count])
        with torch.cuda.device(self._inputs.device), torch.inference_mode():
            self._inputs[:count].copy_(self._host[:count], non_blocking=True)
            graph, outputs = self._graphs[size]
            graph.replay()
            # Synchronizes with all of the above.
            found: Logits = outputs[:count].cpu().numpy()
        return found
