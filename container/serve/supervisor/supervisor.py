"""Starts the front and multi-model-server, keeps them running, and ends them."""

import asyncio
import contextlib
import logging
import os
import shutil
import signal
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from container import gpu
from container.contract.errors import ServeError
from container.processes import adopt_orphans, children, die_with_parent, kill_descendants, reap
from container.serve.mms.client import Client
from container.serve.mms.machine import Machine
from container.serve.mms.model_server_process import ModelServerEndedError
from container.serve.protocol.state import Ends
from container.serve.settings import output
from container.serve.settings.config import ServeConfig
from container.serve.settings.logs import event
from container.serve.supervisor import checks, requirements
from container.serve.supervisor.front_command import front_command
from container.serve.supervisor.model_runner import ModelRunner
from container.serve.supervisor.multi_model_runner import MultiModelRunner
from container.serve.supervisor.one_model_runner import OneModelRunner
from container.serve.supervisor.part_environment import environment_of_parts, search_path, with_packages
from container.serve.supervisor.publication import Publication

logger = logging.getLogger(__name__)

_HEARTBEAT_S = 0.5

# Time for the front to answer requests that did not finish before the end of the drain.
_LAST_WORDS_S = 2.0

# A part that ends more often than this within the window is not started again.
_MOST_RESTARTS = 3
_RESTART_WINDOW_S = 600.0


class Supervisor:
    """One server: a listening socket, a front, and multi-model-server with its workers."""

    def __init__(
        self,
        config: ServeConfig,
        machine: Machine,
        listener: socket.socket,
        metrics: socket.socket | None,
        run_dir: Path,
        packages: Path | None = None,
    ) -> None:
        """
        Args:
            config: The settings.
            machine: The resources to serve with.
            listener: The public port's socket.
            metrics: The metrics port's socket, if any.
            run_dir: Where the parts of the server report their state.
            packages: Packages of the user's code, which only the workers can import.
        """
        self._config = config
        self._machine = machine
        self._listener = listener
        self._metrics = metrics
        self._run_dir = run_dir
        # With many models, the GPUs are spread over them.
        self._workers = config.workers or (1 if config.multi_model else max(1, machine.gpus))
        self._environment = environment_of_parts(config, run_dir, threads=max(1, machine.cpus // self._workers))
        self._workers_environment = self._environment | with_packages(packages, self._environment)
        self._signals: asyncio.Queue[signal.Signals] = asyncio.Queue()
        self._front: asyncio.subprocess.Process | None = None
        self._draining = False

    async def run(self) -> int:
        """Serve until a signal.

        Returns:
            The exit code: 0 after a drain, 128 and the signal's number after a second signal.

        Raises:
            ServeError: The server cannot start, or does not stay up.
        """
        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, self._signals.put_nowait, name)
        async with Client() as client:
            kind = MultiModelRunner if self._config.multi_model else OneModelRunner
            environment = self._workers_environment
            runner = kind(self._config, self._machine, client, self._run_dir, environment, workers=self._workers)
            tasks: set[asyncio.Task[None]] = {
                asyncio.create_task(self._keep_state(runner)),
                asyncio.create_task(self._keep_front()),
                asyncio.create_task(self._keep_model(runner)),
            }
            first_signal = asyncio.create_task(self._signals.get())
            waited_for: list[asyncio.Task[Any]] = [*tasks, first_signal]
            try:
                await asyncio.wait(waited_for, return_when=asyncio.FIRST_COMPLETED)
                for task in tasks:
                    if task.done():
                        task.result()
                return await self._drain(first_signal.result(), runner)
            finally:
                for waiting in waited_for:
                    waiting.cancel()
                await asyncio.gather(*waited_for, return_exceptions=True)
                await self._kill_front()
                await runner.kill()

    async def _kill_front(self) -> None:
        if self._front and self._front.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._front.kill()
            await self._front.wait()

    async def _keep_state(self, runner: ModelRunner) -> None:
        """Publish the state twice a second and whenever it changes, and reap adopted processes."""
        publish = Publication(self._run_dir)
        while True:
            publish(runner.state)
            own = {*runner.pids, self._front.pid if self._front else None}
            for pid in children(os.getpid()):
                if pid not in own:
                    reap(pid)
            # Not wait_for: in Python 3.11 that swallows a cancellation that comes together with a change.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_HEARTBEAT_S):
                    await runner.changed.wait()
            runner.changed.clear()

    async def _keep_front(self) -> None:
        restarts = _Restarts("the front", lambda: Ends.count(self._run_dir, "front"))
        while True:
            descriptor = self._listener.fileno()
            metrics = self._metrics.fileno() if self._metrics else None
            self._front = await asyncio.create_subprocess_exec(
                *front_command(descriptor, metrics, self._workers),
                env=self._environment,
                cwd=self._run_dir,
                pass_fds=(descriptor,) if metrics is None else (descriptor, metrics),
                stdin=asyncio.subprocess.DEVNULL,
                stderr=output.descriptor(self._config.log_format, "front"),
                start_new_session=True,
                preexec_fn=die_with_parent,
            )
            code = await self._front.wait()
            if self._draining:
                return
            restarts.note(f"exit code {code}")

    async def _keep_model(self, runner: ModelRunner) -> None:
        restarts = _Restarts("multi-model-server", lambda: Ends.count(self._run_dir, "model_server"))
        while True:
            try:
                await runner.run()
            except ModelServerEndedError as error:
                restarts.note(str(error))

    async def _drain(self, received: signal.Signals, runner: ModelRunner) -> int:
        """Let the front finish what it has accepted; it refuses everything else meanwhile."""
        start = time.monotonic()
        logger.info(event("stopping", signal=received.name, budget_s=self._config.drain_s))
        self._draining = True
        front = self._front
        if front is None:
            return 0
        with contextlib.suppress(ProcessLookupError):
            front.terminate()
        second = asyncio.create_task(self._signals.get())
        finished = asyncio.create_task(front.wait())
        await asyncio.wait({finished, second}, timeout=self._config.drain_s, return_when=asyncio.FIRST_COMPLETED)
        if second.done():
            logger.info(event("stopped", signal=second.result().name))
            return 128 + second.result()
        second.cancel()
        if not finished.done():
            logger.warning(event("drain-incomplete", budget_s=self._config.drain_s))
            # The front can now answer the clients that are left.
            await runner.kill()
            await asyncio.wait({finished}, timeout=_LAST_WORDS_S)
            finished.cancel()
        logger.info(event("stopped", seconds=round(time.monotonic() - start, 2)))
        return 0


class _Restarts:
    """Limits how often a part is started again."""

    def __init__(self, what: str, count: Callable[[], None]) -> None:
        self._what = what
        self._count = count
        self._times: deque[float] = deque(maxlen=_MOST_RESTARTS + 1)

    def note(self, why: str) -> None:
        """Count and log one unexpected exit.

        Raises:
            ServeError: There were too many.
        """
        now = time.monotonic()
        self._times.append(now)
        self._count()
        logger.error(event("ended", part=self._what, why=why))
        if len(self._times) > _MOST_RESTARTS and now - self._times[0] < _RESTART_WINDOW_S:
            raise ServeError(
                f"{self._what} ended {len(self._times)} times within {_RESTART_WINDOW_S / 60:.0f} minutes, "
                f"the last time with {why}; the log above says more"
            )


def serve(config: ServeConfig) -> int:
    """Serve until a signal; see `Supervisor.run`."""
    if config.multi_model:
        checks.check_default_accept(config)
    else:
        checks.check_model_dir(config)
    gpus = gpu.look(off_by="" if config.use_cuda else gpu.SWITCH)
    logger.info(event("gpu", found=gpus.text))
    if gpus.count > 1 and not shutil.which("nvidia-smi", path=search_path()):
        raise ServeError(
            f"there are {gpus.count} GPUs, but no nvidia-smi on PATH, by which multi-model-server shares them out: put "
            "its folder on PATH (in containers, NVIDIA_DRIVER_CAPABILITIES must hold utility), or leave one GPU with "
            "CUDA_VISIBLE_DEVICES=0"
        )
    machine = Machine.look(gpus=gpus.count, memory_limit_bytes=config.memory_limit_bytes)
    with checks.open_port(config) as listener, checks.metrics_port(config) as metrics, _run_dir() as run_dir:
        address, port = listener.getsockname()[:2]
        place = {"models": config.models_dir} if config.multi_model else {"model": config.model_dir}
        logger.info(event("listening", address=address, port=port, **place))
        adopt_orphans()
        try:
            packages = requirements.install(config, run_dir / "packages")
            return asyncio.run(Supervisor(config, machine, listener, metrics, run_dir, packages).run())
        finally:
            listener.close()
            kill_descendants()
            output.finish()


@contextlib.contextmanager
def _run_dir() -> Iterator[Path]:
    run_dir = checks.make_run_dir()
    try:
        yield run_dir
    finally:
        shutil.rmtree(run_dir, ignore_errors=True)
