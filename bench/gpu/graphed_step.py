"""Runs a whole training step as one CUDA graph, to measure what launching its kernels one by one costs.

It follows torch's notes on CUDA graphs ("Whole-network capture"): inputs in fixed memory, warm-up on another stream,
gradients allocated within the capture, an optimizer that keeps its step count on the device.
"""

import time
from collections.abc import Iterator

import torch
from torch import nn

from bench.our_training import OurTraining
from container.train.data.loading import Batch

_WARM_UPS = 5


class GraphedStep:
    """A network's training step with a job's optimizer and loss, but without gradient scaling.

    Args:
        training: Provides the network, in bfloat16, and its settings.
        batches: On the device, endless.
        batch_size: Of each batch.
    """

    def __init__(self, training: OurTraining, batches: Iterator[Batch], batch_size: int) -> None:
        self._batches, self._batch_size = batches, batch_size
        model, device = training.model.train(), training.device
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True, capturable=True)
        criterion = nn.CrossEntropyLoss(weight=training.class_weights)
        normalize = training.preprocessing.normalizer(device.torch_device)
        pictures, targets = next(batches)
        self._pictures, self._targets = pictures.clone(), targets.clone()

        def step() -> torch.Tensor:
            optimizer.zero_grad(set_to_none=True)
            # Without autocast's cache, which would leak the capture's tensors to later code.
            with torch.autocast("cuda", torch.bfloat16, cache_enabled=False):
                loss: torch.Tensor = criterion(model(normalize(self._pictures)), self._targets)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            return loss

        beside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):
            for _ in range(_WARM_UPS):
                step()
        torch.cuda.current_stream().wait_stream(beside)
        self._graph = torch.cuda.CUDAGraph()
        # The capture must allocate its own gradients.
        optimizer.zero_grad(set_to_none=True)
        with torch.cuda.graph(self._graph):
            self.loss = step()
        # Keeps alive what the graph reads and writes.
        self._kept = (training, optimizer, criterion, normalize)

    def seconds_a_picture(self, steps: int) -> float:
        """Take steps; returns seconds per picture.

        Raises:
            ValueError: The loss is NaN or infinite: the graph computes something else.
        """
        torch.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(steps):
            pictures, targets = next(self._batches)
            self._pictures.copy_(pictures, non_blocking=True)
            self._targets.copy_(targets, non_blocking=True)
            self._graph.replay()
        torch.cuda.synchronize()
        seconds = (time.perf_counter() - start) / (steps * self._batch_size)
        if not torch.isfinite(self.loss):
            raise ValueError(f"the loss of the graphed step is {self.loss.item()}")
        return seconds
