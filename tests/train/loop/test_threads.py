"""The threads of a step on a CPU, beside other programs."""

import functools
import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from container.train.device import Device
from container.train.launch.distributed import World
from container.train.loop import threads
from container.train.loop.threads import Threads, threads_beside
from tests.train.ranks import on_ranks

CPU = Device(torch_device=torch.device("cpu"), amp_dtype=None, workers=0)
CPUS = len(os.sched_getaffinity(0))


class Messages(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


def train(seconds: float, asked_for: str, world: World) -> tuple[list[str], int]:
    """Take steps until the number of threads changes or the time is over; return the log lines and that number."""
    os.environ["OMP_NUM_THREADS"] = asked_for
    torch.set_num_threads(CPUS)
    threads._EVERY_S = 0.5  # type: ignore[misc]
    threads.logger.addHandler(messages := Messages())
    threads.logger.setLevel(logging.INFO)
    adapted = Threads(CPU, world)
    until = time.monotonic() + seconds
    while torch.get_num_threads() == CPUS and time.monotonic() < until:
        adapted.adapt()
        torch.ones(64, 64) @ torch.ones(64, 64)
    return messages.texts, torch.get_num_threads()


def nothing(_world: World) -> None:
    pass


@pytest.fixture
def neighbours(tmp_path: Path) -> Iterator[None]:
    """A program for each CPU that never rests."""
    on_ranks(nothing, 1, tmp_path)  # so that importing torch is over
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in os.sched_getaffinity(0)]
    yield
    for process in processes:
        process.kill()
        process.wait()


@pytest.mark.skipif(CPUS < 2, reason="one CPU")
def test_beside_busy_programs_steps_take_fewer_threads_and_the_log_says_so(neighbours: None, tmp_path: Path):
    [([message], now)] = on_ranks(functools.partial(train, 600, ""), 1, tmp_path)
    assert now < CPUS
    assert message.startswith("other programs use ")
    assert f"steps take {now} thread" in message


@pytest.mark.skipif(CPUS < 2, reason="one CPU")
def test_a_number_of_threads_that_was_asked_for_stays(neighbours: None, tmp_path: Path):
    assert on_ranks(functools.partial(train, 1.5, str(CPUS)), 1, tmp_path) == [([], CPUS)]


@pytest.mark.parametrize(
    ("others", "cpus", "most", "threads"),
    [
        pytest.param(0.0, 2, 2, 2, id="nobody"),
        pytest.param(0.3, 2, 2, 2, id="hardly anybody"),
        pytest.param(0.67, 2, 2, 1, id="a busy program, which two of our threads leave a third"),
        pytest.param(1.0, 2, 2, 1, id="a busy program and one thread of ours"),
        pytest.param(5.0, 2, 2, 1, id="more than there is"),
        pytest.param(1.0, 16, 16, 15, id="one of sixteen"),
        pytest.param(8.2, 16, 16, 8, id="half of sixteen"),
        pytest.param(3.0, 16, 4, 4, id="a container's limit is free elsewhere"),
        pytest.param(14.0, 16, 4, 2, id="a container's limit is not free"),
    ],
)
def test_each_thread_has_a_cpu_of_its_own(others: float, cpus: int, most: int, threads: int):
    assert threads_beside(others, cpus=cpus, most=most) == threads
