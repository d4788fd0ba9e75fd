"""The threads of a step on a CPU, beside other programs."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from container.train.loop.threads import threads_beside
from tests.rules.environment import ROOT

_TRAINS = """
import logging, sys, time
import torch
from container.train.device import Device
from container.train.launch.distributed import World
from container.train.launch.hosts import Rank
from container.train.loop.threads import Threads

logging.basicConfig(stream=sys.stdout, format="%(message)s", level=logging.INFO)
most = torch.get_num_threads()
threads = Threads(Device(torch_device=torch.device("cpu"), amp_dtype=None, workers=0), World(Rank()))
until = time.monotonic() + float(sys.argv[1])
while torch.get_num_threads() == most and time.monotonic() < until:
    threads.adapt()
    torch.ones(64, 64) @ torch.ones(64, 64)
print(most, torch.get_num_threads())
"""


def train(seconds: float, **variables: str) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    command = [sys.executable, "-c", _TRAINS, str(seconds)]
    return subprocess.run(
        command, cwd=ROOT, env={**environment, **variables}, check=True, capture_output=True, text=True
    ).stdout


@pytest.fixture
def neighbours() -> Iterator[None]:
    """A program for each CPU that never rests."""
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in os.sched_getaffinity(0)]
    yield
    for process in processes:
        process.kill()
        process.wait()


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one CPU")
def test_beside_busy_programs_steps_take_fewer_threads_and_the_log_says_so(neighbours: None):
    message, counts = train(600).splitlines()
    most, now = map(int, counts.split())
    assert now < most
    assert message.startswith("other programs use ")
    assert f"steps take {now} thread" in message


def test_a_number_of_threads_that_was_asked_for_stays(neighbours: None):
    assert train(7, OMP_NUM_THREADS="2") == "2 2\n"


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
