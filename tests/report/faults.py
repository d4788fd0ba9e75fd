"""Faults of real training jobs, planted in each of a job's processes before it trains. Sleeping is over at once: see
`JobClock`."""

import os
import time
from collections.abc import Callable
from typing import Any

import torch

from container.train.data.dataset import TrainPictures
from container.train.debugger.session import Debugger
from container.train.loop import prepare


def nothing() -> None:
    """A sound job."""


def a_loader_that_sleeps(seconds: float = 5.0) -> None:
    read = TrainPictures.__getitem__

    def slowly(pictures: TrainPictures, key: tuple[int, int]) -> tuple[torch.Tensor, int]:
        time.sleep(seconds)
        return read(pictures, key)

    TrainPictures.__getitem__ = slowly


def a_loader_that_lets_a_gpu_idle() -> None:
    a_loader_that_sleeps()
    os.environ["SLIPWAY_STUB_BUSY"] = "5"


def an_optimizer_that_takes_longer_than_the_rest() -> None:
    """As it does for a batch of two pictures where the network is large and the device fast."""
    step = torch.optim.AdamW.step

    def slowly(*arguments: Any, **named: Any) -> Any:
        time.sleep(60)
        return step(*arguments, **named)

    torch.optim.AdamW.step = slowly


def a_gpu_with_little_to_do() -> None:
    os.environ |= {"SLIPWAY_STUB_BUSY": "35", "SLIPWAY_STUB_USED": "1000"}


def one_slow_rank() -> None:
    if os.environ["RANK"] == "1":
        a_loader_that_sleeps()


def a_leak_of_gpu_memory() -> None:
    def keep_tensors(step: int) -> None:
        os.environ["SLIPWAY_STUB_USED"] = str(4096 + 200 * step)

    _in_each_step(keep_tensors)


def a_leak_of_process_memory() -> None:
    kept: list[bytes] = []
    _in_each_step(lambda step: kept.append(b"1" * (24 << 20)))


def one_very_long_step() -> None:
    """It waits for the debugger."""
    _in_each_step(lambda step: time.sleep(600 if step == 18 else 0))


def a_slow_start() -> None:
    scan = prepare.scan

    def slowly(*arguments: Any, **named: Any) -> Any:
        time.sleep(25 * 60)
        return scan(*arguments, **named)

    prepare.scan = slowly


def _in_each_step(act: Callable[[int], object]) -> None:
    """Where the debugger works: between backward and the optimizer."""
    before = Debugger.before_step
    steps = 0

    def planted(*arguments: Any) -> None:
        nonlocal steps
        steps += 1
        act(steps)
        before(*arguments)

    Debugger.before_step = planted
