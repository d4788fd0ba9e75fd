"""Starts, checks and ends the process that many models' workers are forked from."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path

from container.serve.mms import fork_socket
from container.serve.mms.model_server_process import ModelServerEndedError
from container.serve.mms.start_process import start_process
from container.serve.settings.config import ServeConfig

_TICK_S = 0.05


class PreloadedProcess:
    """A process that has imported torch and everything else that a worker needs."""

    def __init__(self, config: ServeConfig, run_dir: Path, environment: Mapping[str, str]) -> None:
        self._config = config
        self._run_dir = run_dir
        self._environment = environment
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """Process id; None before the first start."""
        return self._process.pid if self._process else None

    async def start(self) -> None:
        """Start it, without waiting for its imports; see `until_up`."""
        (self._run_dir / fork_socket.ADDRESS).unlink(missing_ok=True)
        self._process = await start_process(fork_socket.command(), self._config, self._run_dir, self._environment)

    async def until_up(self, check: Callable[[], None]) -> None:
        """Wait until models can be forked from it, calling `check`, which may raise."""
        while not (self._run_dir / fork_socket.ADDRESS).is_socket():
            check()
            await asyncio.sleep(_TICK_S)

    def check(self) -> None:
        """Check that it is running.

        Raises:
            ModelServerEndedError: It is not.
        """
        if self._process is None or self._process.returncode is not None:
            code = self._process.returncode if self._process else None
            raise ModelServerEndedError(f"exit code {code} of the process that models are forked from")

    async def kill(self) -> None:
        """End it, but not what was forked from it."""
        if self._process:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
