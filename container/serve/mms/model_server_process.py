"""multi-model-server's process: started on two free ports, checked, and ended with all its workers."""

import asyncio
import logging
import time
from collections.abc import Mapping
from pathlib import Path

from container.contract.errors import ServeError
from container.full_disk import is_disk_full
from container.processes import kill_group
from container.serve.mms import model_server
from container.serve.mms.client import Client
from container.serve.mms.machine import Machine
from container.serve.mms.model_server import InnerPorts
from container.serve.mms.ports import choose_inner_ports
from container.serve.mms.start_process import start_process
from container.serve.settings.config import ServeConfig
from container.serve.settings.logs import event

logger = logging.getLogger(__name__)

_TICK_S = 0.1
_START_S = 120.0

# Interval of retries while the disk is full.
_ROOM_S = 0.5


class ModelServerEndedError(Exception):
    """multi-model-server has ended or no longer works, and can be started again."""


class ModelServerProcess:
    """multi-model-server, started without a model."""

    def __init__(
        self, config: ServeConfig, machine: Machine, client: Client, run_dir: Path, environment: Mapping[str, str]
    ) -> None:
        self._config = config
        self._machine = machine
        self._client = client
        self._run_dir = run_dir
        self._environment = {
            name: value for name, value in environment.items() if name not in model_server.REMOVED_VARIABLES
        }
        self._process: asyncio.subprocess.Process | None = None
        self.heap = model_server.heap_bytes(machine.memory_bytes)
        """The maximum of Java's heap, in bytes."""

    @property
    def pid(self) -> int | None:
        """Process id of Java, which leads a process group with all its workers."""
        return self._process.pid if self._process else None

    async def start(self) -> InnerPorts:
        """Start it and wait until both its APIs answer.

        Raises:
            ModelServerEndedError: It did not come up.
            ServeError: It can never be started.
        """
        machine = self._machine
        ports = await self._write_files()
        command = model_server.command(
            machine.java, self._run_dir, heap=self.heap, cpus=machine.cpus, extra=self._config.vm_arguments
        )
        self._process = await start_process(command, self._config, self._run_dir, self._environment)
        logger.info(event("model-server", pid=self._process.pid, java=machine.java.release, heap_mb=self.heap >> 20))
        give_up_at = time.monotonic() + _START_S
        while not await self._client.is_up(ports):
            self.check()
            if time.monotonic() > give_up_at:
                raise ModelServerEndedError(f"no answer within {_START_S:.0f} seconds of its start")
            await asyncio.sleep(_TICK_S)
        return ports

    async def _write_files(self) -> InnerPorts:
        """Write its files; after the first start, wait for room if the disk is full."""
        while True:
            ports = choose_inner_ports(self._config.inner_ports, avoid=self._config.port)
            try:
                model_server.write_files(
                    self._run_dir,
                    ports,
                    self._config,
                    gpus=self._machine.gpus,
                    threads=max(1, min(4, self._machine.cpus // 2)),
                )
            except OSError as error:
                if not is_disk_full(error):
                    raise
                if self._process is None:
                    raise ServeError(
                        f"there is too little room in {self._run_dir.parent}; empty it, or set TMPDIR to a directory "
                        "that has some"
                    ) from error
                await asyncio.sleep(_ROOM_S)
            else:
                return ports

    def check(self) -> None:
        """Check that it is running.

        Raises:
            ModelServerEndedError: It is not.
        """
        if self._process is None or self._process.returncode is not None:
            raise ModelServerEndedError(f"exit code {self._process.returncode if self._process else None}")

    async def kill(self) -> None:
        """End it and every worker."""
        if self._process is not None:
            kill_group(self._process.pid)
            await self._process.wait()
