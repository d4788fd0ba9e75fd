"""multi-model-server as a process: started on two free ports, watched, and ended with all its workers."""

import asyncio
import logging
import time
from collections.abc import Mapping
from pathlib import Path

from container.errors import ServeError
from container.processes import die_with_parent, kill_group
from container.serve import model_server, output
from container.serve.checks import choose_inner_ports
from container.serve.client import Client
from container.serve.config import ServeConfig
from container.serve.logs import event
from container.serve.model_server import InnerPorts
from container.serve.resources import Machine
from container.serve.state import is_full

logger = logging.getLogger(__name__)

_TICK_S = 0.1
_START_S = 120.0

# So often is it tried again to write to a disk that was full.
_ROOM_S = 0.5


class ModelServerEndedError(Exception):
    """multi-model-server is gone, or of no use any more, and can be started again."""


class ModelServerProcess:
    """multi-model-server without a model."""

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
        """Bytes of Java's heap."""

    @property
    def pid(self) -> int | None:
        """Of Java, which leads a process group with all its workers."""
        return self._process.pid if self._process else None

    async def start(self) -> InnerPorts:
        """Start it and wait until both its APIs answer.

        Raises:
            ModelServerEndedError: It did not come up.
            ServeError: It cannot be started at all.
        """
        machine = self._machine
        ports = await self._write_files()
        written = output.descriptor(self._config.log_format, "model-server")
        self._process = await asyncio.create_subprocess_exec(
            *model_server.command(
                machine.java, self._run_dir, heap=self.heap, cpus=machine.cpus, extra=self._config.vm_arguments
            ),
            env=self._environment,
            cwd=self._run_dir,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=written,
            stderr=written,
            start_new_session=True,
            preexec_fn=die_with_parent,
        )
        logger.info(event("model-server", pid=self._process.pid, java=machine.java.release, heap_mb=self.heap >> 20))
        give_up_at = time.monotonic() + _START_S
        while not await self._client.is_up(ports):
            self.check()
            if time.monotonic() > give_up_at:
                raise ModelServerEndedError(f"no answer within {_START_S:.0f} seconds of its start")
            await asyncio.sleep(_TICK_S)
        return ports

    async def _write_files(self) -> InnerPorts:
        """Write what it is started with; once it has run, wait for room where the disk is full."""
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
                if not is_full(error):
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
        """See that it lives.

        Raises:
            ModelServerEndedError: It does not.
        """
        if self._process is None or self._process.returncode is not None:
            raise ModelServerEndedError(f"exit code {self._process.returncode if self._process else None}")

    async def kill(self) -> None:
        """End it and every worker."""
        if self._process is not None:
            kill_group(self._process.pid)
            await self._process.wait()
