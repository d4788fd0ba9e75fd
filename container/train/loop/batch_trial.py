"""Trial steps of the job's own kind on random pictures: which batch sizes fit in memory, and how fast they are."""

import copy
import gc
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from torch import nn

from container.networks.batch_norm import fewest_pictures
from container.out_of_memory import is_out_of_memory
from container.preprocessing import Preprocessing
from container.train.device import Device
from container.train.launch.stopping import Stop

_MOST_ON_A_GPU = 1024
_MOST_ON_A_CPU = 64
_GOOD_ENOUGH = 0.95
_TIMED_S = 0.5
_SPARE = 0.05  # share of a GPU's memory left to the rest of the job
_AHEAD = 8  # steps launched before waiting for the GPU, as a job launches steps while earlier ones run
_NO_ENGINE = "unable to find an engine"  # cuDNN's message when there is no memory for any of its algorithms
_STEP_OVER_KEPT = 1.5  # a step's memory over what is kept for backward; measured for ResNet-18 to 152: below 1.2


class Trial:
    """Steps on a copy of a model; neither the model nor the program's random numbers change.

    Args:
        model: Copied to the device from wherever it is; all parameters of the copy are trained.
        device: Where, and in which precision.
        preprocessing: Gives the size of the pictures.
        processes: The job's number of processes; with more than one, each keeps its gradients twice.
        memory: Bytes that a step may take on a CPU, where exceeding the memory kills the process; the smallest batch is
            tried all the same. A GPU reports by itself that its memory is full.
        stop: Checked between two steps.

    Raises:
        RuntimeError: Not even model and optimizer fit (see `is_out_of_memory`).
    """

    def __init__(
        self,
        model: nn.Module,
        device: Device,
        preprocessing: Preprocessing,
        *,
        processes: int = 1,
        memory: float = math.inf,
        stop: Stop | None = None,
    ) -> None:
        self._model = copy.deepcopy(model).to(device.torch_device).train().requires_grad_(True)
        self._device = device
        self._preprocessing = preprocessing
        self._normalize = preprocessing.normalizer(device.torch_device)
        self._memory = memory
        self._stop = stop or Stop()
        self.least = fewest_pictures(self._model, preprocessing.size, processes)
        """The smallest batch that a step takes."""
        self._optimizer = torch.optim.AdamW(self._model.parameters(), lr=0.0, fused=True)
        self._scaler = torch.amp.GradScaler(device.torch_device.type, enabled=device.scales_gradients)
        self._ballast: list[torch.Tensor] = []
        if processes > 1:
            self._ballast += [torch.empty_like(parameter) for parameter in self._model.parameters()]
        if device.is_cuda:
            total = torch.cuda.get_device_properties(device.torch_device).total_memory
            spare = int(_SPARE * torch.cuda.get_per_process_memory_fraction(device.torch_device) * total)
            self._ballast.append(torch.empty(spare, dtype=torch.uint8, device=device.torch_device))
        # The optimizer allocates its state now: a step whose scaled gradients overflow would leave it without any.
        for parameter in self._model.parameters():
            parameter.grad = torch.zeros_like(parameter)
        self._optimizer.step()
        self._bytes_of_a_picture: float | None = None

    def fits(self, size: int) -> bool:
        """Whether a step with this batch size fits in memory.

        Raises:
            Interrupted: The job was asked to end.
        """
        return self._attempt(size, self._try) is not None

    def speed(self, size: int) -> float | None:
        """Measure pictures a second; None if this batch size does not fit.

        Raises:
            Interrupted: The job was asked to end.
        """
        return self._attempt(size, self._time) if self.fits(size) else None

    def step_seconds(self, size: int, amp_dtype: torch.dtype | None) -> float:
        """Time a step in this precision, on a GPU two; infinite if this batch size does not fit in memory.

        Raises:
            Interrupted: The job was asked to end.
        """
        self._device = replace(self._device, amp_dtype=amp_dtype)
        speed = self._attempt(size, self._try)
        return size / speed if speed else math.inf

    def _attempt(self, size: int, steps: Callable[[int], float]) -> float | None:
        try:
            if self._device.is_cuda or size <= self.least or self._estimate(size) <= self._memory:
                return steps(size)
        except RuntimeError as error:
            if not (is_out_of_memory(error) or _NO_ENGINE in str(error)):
                raise
        # Only here has the exception released the step's tensors.
        self._optimizer.zero_grad()
        free_memory(self._device)
        return None

    def _try(self, size: int) -> float:
        # On a GPU only the second step finds an earlier one's gradients, and its algorithms chosen.
        return self._steps(size, fewest=2 if self._device.is_cuda else 1)

    def _time(self, size: int) -> float:
        return self._steps(size, seconds=_TIMED_S)

    def _steps(self, size: int, *, fewest: int = 1, seconds: float = 0.0) -> float:
        """Train for at least so many steps and seconds; returns pictures a second."""
        device = self._device.torch_device
        with torch.random.fork_rng(devices=[device] if self._device.is_cuda else []):
            pictures, targets = self._pictures(size), torch.zeros(size, dtype=torch.int64, device=device)
            steps, started = 0, time.perf_counter()
            while steps < fewest or time.perf_counter() - started < seconds:
                self._stop.check()
                self._step(pictures, targets)
                steps += 1
                if steps % _AHEAD == 0:
                    self._synchronize()
            self._synchronize()
            return steps * size / (time.perf_counter() - started)

    def _pictures(self, size: int) -> torch.Tensor:
        """Make random pictures: equal pixels cost a GPU less work."""
        side, device = self._preprocessing.size, self._device.torch_device
        generator = torch.Generator(device).manual_seed(0)
        shape = (size, side, side, 3)
        return torch.randint(256, shape, dtype=torch.uint8, device=device, generator=generator)

    def _step(self, pictures: torch.Tensor, targets: torch.Tensor) -> None:
        """Take one step, as `Stepper.step` does."""
        with self._device.autocast():
            loss = nn.functional.cross_entropy(self._model(self._normalize(pictures)), targets)
        self._optimizer.zero_grad()
        self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self._scaler.step(self._optimizer)
        self._scaler.update()

    def _synchronize(self) -> None:
        if self._device.is_cuda:
            torch.cuda.synchronize()

    def _estimate(self, size: int) -> float:
        """Estimate the bytes of a step on a CPU, in proportion to what the smallest batch keeps for backward."""
        if self._bytes_of_a_picture is None:
            self._bytes_of_a_picture = _STEP_OVER_KEPT * self._kept_for_backward(self.least) / self.least
        return size * self._bytes_of_a_picture

    def _kept_for_backward(self, size: int) -> int:
        kept: dict[int, int] = {}

        def keep(tensor: torch.Tensor) -> torch.Tensor:
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor.detach()

        with (
            torch.random.fork_rng(devices=[]),
            torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
            self._device.autocast(),
        ):
            logits = self._model(self._normalize(self._pictures(size)))
        for parameter in self._model.parameters():
            kept.pop(parameter.untyped_storage().data_ptr(), None)
        del logits  # frees what was kept: until here no two tensors could have the same address
        return sum(kept.values())


def free_memory(device: Device) -> None:
    """Return memory that no tensor uses any longer."""
    gc.collect()
    if device.is_cuda:
        torch.cuda.empty_cache()


def largest_that_fits(fits: Callable[[int], bool], most: int, least: int = 1) -> int:
    """Search for the largest size that fits, above 8 a multiple of 8; 0 if none does.

    Args:
        fits: Tries a size.
        most: The largest size to try.
        least: The smallest size, a power of two.
    """
    low, high = 0, least
    while high <= most and fits(high):
        low, high = high, 2 * high
    if not low:
        return 0
    high = min(high, most + 1)
    unit = 8 if low >= 8 else 1
    while high - low > unit:
        middle = max(low + unit, (low + high) // 2 // unit * unit)
        if fits(middle):
            low = middle
        else:
            high = middle
    return low


def speeds(speed: Callable[[int], float | None], most: int, least: int = 1) -> dict[int, float]:
    """Measure pictures a second for the powers of two from 8 on that fit; if 8 does not fit, for 4, 2 or 1.

    Args:
        speed: Measures a size; None if it does not fit.
        most: The largest size to try.
        least: The smallest size.
    """
    found: dict[int, float] = {}
    size = 8
    while size <= most and (rate := speed(size)) is not None:
        found[size] = rate
        size *= 2
    size = 4
    while not found and size >= least:
        if size <= most and (rate := speed(size)) is not None:
            found[size] = rate
        size //= 2
    return found


def smallest_of_the_fast(found: Mapping[int, float]) -> int:
    """The smallest size within a twentieth of the fastest: a larger batch would only mean fewer updates."""
    best = max(found.values())
    return min(size for size, speed in found.items() if speed >= _GOOD_ENOUGH * best)


def most_worth_trying(device: Device, training_pictures: int) -> int:
    """The largest batch of one process to try: an epoch keeps at least ten steps.

    Args:
        device: A CPU gains nothing from large batches.
        training_pictures: This process's share.
    """
    return max(2, min(_MOST_ON_A_GPU if device.is_cuda else _MOST_ON_A_CPU, training_pictures // 10))
