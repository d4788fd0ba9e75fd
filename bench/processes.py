"""Runs several processes that train together, as under torchrun, one epoch on each request."""

import gc
import multiprocessing
import os
import sys
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Self

from bench.picture_set import PictureSet
from container.contract.hyperparameters import TrainConfig
from container.train.launch.hosts import Rank
from container.train.launch.torchrun import free_port

if TYPE_CHECKING:
    from container.train.launch.distributed import World


class Processes:
    """Processes of one machine; each has its own GPU, if there are GPUs.

    Args:
        size: Number of processes.
        pictures: The pictures of an epoch, shared by all processes.
        config: As for `OurTraining`.
    """

    def __init__(self, size: int, pictures: PictureSet, config: TrainConfig) -> None:
        port = free_port()
        # Its processes start with torch imported, but never used.
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["bench.our_training"])
        self._connections: list[Connection] = []
        self._processes = []
        for rank in range(size):
            ours, theirs = context.Pipe()
            place = Rank(rank=rank, size=size, local_rank=rank, local_size=size)
            process = context.Process(target=_train_when_asked, args=(theirs, place, port, pictures, config))
            process.start()
            theirs.close()  # otherwise `ours` would not notice that the process exited
            self._connections.append(ours)
            self._processes.append(process)

    def epoch(self) -> float:
        """Train; returns seconds per picture, of the slowest process."""
        try:
            for connection in self._connections:
                connection.send(True)
            return max(float(connection.recv()) for connection in self._connections)
        except (EOFError, OSError):
            sys.exit(f"one of {len(self._processes)} training processes exited; see above")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        for connection in self._connections:
            connection.close()
        for process in self._processes:
            process.join()


def _train_when_asked(
    connection: Connection, place: Rank, port: int, pictures: PictureSet, config: TrainConfig
) -> None:
    os.environ |= {
        "RANK": str(place.rank),
        "WORLD_SIZE": str(place.size),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "GLOO_SOCKET_IFNAME": "lo",
        "NCCL_SOCKET_IFNAME": "lo",
    }
    import torch

    from container.train.launch.distributed import joined

    with joined(place if place.size > 1 else None, on_gpu=torch.cuda.is_available()) as world:
        _train(connection, pictures, config, world)
        gc.collect()  # frees the network, which could otherwise wait forever for disconnected processes


def _train(connection: Connection, pictures: PictureSet, config: TrainConfig, world: "World") -> None:
    from bench.our_training import OurTraining

    training = OurTraining(pictures, config, world)
    while _is_asked(connection):
        connection.send(training.epoch())
    training.close()


def _is_asked(connection: Connection) -> bool:
    try:
        return bool(connection.recv())
    except EOFError:
        return False
