"""The batch size that suits a device, found by trying steps of the job's own kind on random pictures."""

import copy
import gc
import time
from collections.abc import Callable, Mapping

import torch
from torch import nn

from container.memory import available_memory
from container.preprocessing import Preprocessing
from container.train.device import Device

_MOST_ON_A_GPU = 1024
_MOST_ON_A_CPU = 64
_BYTES_OF_A_PICTURE = 200e6  # of activations at 224 pixels and float32: more than a ResNet-152 has
_GOOD_ENOUGH = 0.95
_TIMED_S = 0.5
_WARM_UP = 2
_SPARE = 0.05  # of a GPU's memory, for what a job has besides


class Trial:
    """Steps on a copy of a network; nothing of the network, nor the program's random numbers, is changed.

    Args:
        model: On the device.
        device: Where, and in which precision.
        preprocessing: Gives the size of the pictures.
        processes: Of the job; more than one keep their gradients twice.
    """

    def __init__(self, model: nn.Module, device: Device, preprocessing: Preprocessing, *, processes: int = 1) -> None:
        self._model = copy.deepcopy(model).train()
        self.device = device
        self.preprocessing = preprocessing
        self._optimizer = torch.optim.AdamW(self._model.parameters(), lr=0.0, fused=True)
        self._scaler = torch.amp.GradScaler(device.torch_device.type, enabled=device.scales_gradients)
        self._ballast: list[torch.Tensor] = []
        if processes > 1:
            self._ballast += [torch.empty_like(parameter) for parameter in self._model.parameters()]
        if device.is_cuda:
            spare = int(_SPARE * torch.cuda.get_device_properties(device.torch_device).total_memory)
            self._ballast.append(torch.empty(spare, dtype=torch.uint8, device=device.torch_device))

    def step(self, size: int) -> None:
        """One training step, to its end.

        Raises:
            torch.cuda.OutOfMemoryError: So many pictures do not fit.
        """
        side = self.preprocessing.size
        pictures = torch.zeros((size, side, side, 3), dtype=torch.uint8, device=self.device.torch_device)
        targets = torch.zeros(size, dtype=torch.int64, device=self.device.torch_device)
        with self.device.autocast():
            loss = nn.functional.cross_entropy(self._model(self.preprocessing.normalize(pictures)), targets)
        self._optimizer.zero_grad()
        self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self._scaler.step(self._optimizer)
        self._scaler.update()
        if self.device.is_cuda:
            torch.cuda.synchronize()

    def fits(self, size: int) -> bool:
        """Whether a step with so many pictures does."""
        try:
            self.step(size)
        except torch.cuda.OutOfMemoryError:
            fits = False
        else:
            fits = True
        if not fits:  # only here has the exception let go of the step's tensors
            self._optimizer.zero_grad()
            gc.collect()
            torch.cuda.empty_cache()
        return fits

    def speed(self, size: int) -> float:
        """Pictures a second."""
        for _ in range(_WARM_UP):
            self.step(size)
        steps, start = 0, time.perf_counter()
        while (took := time.perf_counter() - start) < _TIMED_S or not steps:
            self.step(size)
            steps += 1
        return steps * size / took


def largest_that_fits(fits: Callable[[int], bool], most: int) -> int:
    """The largest size up to `most` that fits, above 8 to the nearest multiple of 8; 0 where not one picture does.

    Args:
        fits: Tries a size.
        most: One that is large enough.
    """
    low, high = 0, 1
    while high <= most and fits(high):
        low, high = high, 2 * high
    high = min(high, most + 1)
    while high - low > (8 if low >= 8 else 1):
        middle = (low + high) // 2
        middle -= middle % 8 if middle > 8 and middle - middle % 8 > low else 0
        if fits(middle):
            low = middle
        else:
            high = middle
    return low


def speeds(speed: Callable[[int], float], fits: Callable[[int], bool], most: int) -> dict[int, float]:
    """Pictures a second by size: 8 (or `most`), and twice that, as far as it fits.

    Args:
        speed: Measures a size that fits.
        fits: Tries a size.
        most: Not to be passed.
    """
    size = min(8, most)
    found: dict[int, float] = {}
    while size <= most and fits(size):
        found[size] = speed(size)
        size *= 2
    return found


def smallest_of_the_fast(found: Mapping[int, float]) -> int:
    """The smallest size that is within a twentieth of the fastest: a larger batch only learns less often."""
    best = max(found.values())
    return min(size for size, speed in found.items() if speed >= _GOOD_ENOUGH * best)


def most_worth_trying(device: Device, preprocessing: Preprocessing, training_pictures: int) -> int:
    """Of one process: an epoch keeps ten steps, and a CPU's memory holds it."""
    most = _MOST_ON_A_GPU
    if not device.is_cuda:
        a_picture = _BYTES_OF_A_PICTURE * (preprocessing.size / 224) ** 2
        most = min(_MOST_ON_A_CPU, int(available_memory() / 2 / a_picture))
    return max(2, min(most, training_pictures // 10))
