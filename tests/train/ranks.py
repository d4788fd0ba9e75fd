"""Several processes of one job without the job: each calls a function with its World."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from container.train.launch.distributed import World, joined
from container.train.launch.hosts import Rank
from container.train.launch.torchrun import free_port
from tests.train.forked_job import fork_server

Work = Callable[[World], Any]


def on_ranks(work: Work, size: int, directory: Path) -> list[Any]:
    """What a function of a module returns in each process: tensors and plain values."""
    port = free_port()
    # The fork server has the environment of the test that started it.
    own = dict(os.environ)
    processes = [
        fork_server().Process(target=_enter, args=(work, rank, size, port, directory, own)) for rank in range(size)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * size
    return [torch.load(directory / f"{rank}.pt", weights_only=True) for rank in range(size)]


def _enter(work: Work, rank: int, size: int, port: int, directory: Path, environment: dict[str, str]) -> None:
    os.environ |= environment | {
        "RANK": str(rank),
        "WORLD_SIZE": str(size),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "GLOO_SOCKET_IFNAME": "lo",
    }
    torch.set_num_threads(1)
    with joined(Rank(rank=rank, size=size, local_rank=rank, local_size=size), on_gpu=False) as world:
        torch.save(work(world), directory / f"{rank}.pt")
