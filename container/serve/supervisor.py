"""`serve`: starts the front and multi-model-server, watches both, and ends both.

    python -m container.serve.supervisor            serve the model in SAGEMAKER_BASE_DIR/model
    python -m container.serve.supervisor --check    load it, make one prediction, say what it is

SIGTERM or SIGINT: what has been accepted is answered, then everything is stopped; a second one stops at once.
"""

import os

from container.first_process import end_when_asked

if os.getpid() == 1:
    end_when_asked()  # before the other imports, which take their time

import argparse
import asyncio
import contextlib
import logging
import shutil
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

from container import gpu
from container.cpus import SPIN
from container.errors import ServeError, UserError
from container.processes import adopt_orphans, children, die_with_parent, kill_descendants, reap
from container.serve import checks, front_process, logs, output
from container.serve.client import Client
from container.serve.config import BASE_DIR, VARIABLES, ServeConfig
from container.serve.logs import event
from container.serve.model_runner import ModelRunner
from container.serve.model_server_process import ModelServerEndedError
from container.serve.multi_model.runner import MultiModelRunner
from container.serve.publication import Publication
from container.serve.resources import Machine
from container.serve.state import RUN_DIR_VARIABLE, SUPERVISOR_VARIABLE, Ends, ServerState

logger = logging.getLogger(__name__)

_HEARTBEAT_S = 0.5

# What the front gets for the answers to requests that did not finish in time.
_LAST_WORDS_S = 2.0

# A part that ends this often within so long is not started again.
_MOST_RESTARTS = 3
_RESTART_WINDOW_S = 600.0


class Runner(Protocol):
    """What keeps multi-model-server with one model, or with many."""

    state: ServerState
    """How it is; replaced when that changes."""
    changed: asyncio.Event
    """Set whenever `state` was replaced."""

    @property
    def pids(self) -> set[int | None]:
        """The processes that this started itself, and waits for."""

    async def run(self) -> None:
        """Start everything and watch it until a part ends.

        Raises:
            ModelServerEndedError: A part ended, or no longer works; it can be run again.
            ServeError: It never will.
        """

    async def kill(self) -> None:
        """End everything."""


class Supervisor:
    """One server: a listening socket, a front, and multi-model-server with its workers."""

    def __init__(
        self,
        config: ServeConfig,
        machine: Machine,
        listener: socket.socket,
        metrics: socket.socket | None,
        run_dir: Path,
    ) -> None:
        self._config = config
        self._machine = machine
        self._listener = listener
        self._metrics = metrics
        self._run_dir = run_dir
        # With many models, the GPUs are shared out among them.
        self._workers = config.workers or (1 if config.multi_model else max(1, machine.gpus))
        self._environment = _environment(config, run_dir, threads=max(1, machine.cpus // self._workers))
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
            kind = MultiModelRunner if self._config.multi_model else ModelRunner
            runner = kind(self._config, self._machine, client, self._run_dir, self._environment, workers=self._workers)
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

    async def _keep_state(self, runner: Runner) -> None:
        """Publish the state twice a second and whenever it changes, and reap what was adopted."""
        publish = Publication(self._run_dir)
        while True:
            publish(runner.state)
            own = {*runner.pids, self._front.pid if self._front else None}
            for pid in children(os.getpid()):
                if pid not in own:
                    reap(pid)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(runner.changed.wait(), _HEARTBEAT_S)
            runner.changed.clear()

    async def _keep_front(self) -> None:
        restarts = _Restarts("the front", lambda: Ends.count(self._run_dir, "front"))
        while True:
            descriptor = self._listener.fileno()
            metrics = self._metrics.fileno() if self._metrics else None
            self._front = await asyncio.create_subprocess_exec(
                *front_process.command(descriptor, metrics, self._workers),
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

    async def _keep_model(self, runner: Runner) -> None:
        restarts = _Restarts("multi-model-server", lambda: Ends.count(self._run_dir, "model_server"))
        while True:
            try:
                await runner.run()
            except ModelServerEndedError as error:
                restarts.note(str(error))

    async def _drain(self, received: signal.Signals, runner: Runner) -> int:
        """Have the front finish what it has accepted; it refuses everything else meanwhile."""
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
            # The front can now tell the clients that are left.
            await runner.kill()
            await asyncio.wait({finished}, timeout=_LAST_WORDS_S)
            finished.cancel()
        logger.info(event("stopped", seconds=round(time.monotonic() - start, 2)))
        return 0


class _Restarts:
    """Counts how often a part has ended."""

    def __init__(self, what: str, count: Callable[[], None]) -> None:
        self._what = what
        self._count = count
        self._times: deque[float] = deque(maxlen=_MOST_RESTARTS + 1)

    def note(self, why: str) -> None:
        """Log one end.

        Raises:
            ServeError: One too many.
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


def _environment(config: ServeConfig, run_dir: Path, *, threads: int) -> dict[str, str]:
    """What the front, Java and its workers get."""
    package_root = str(Path(checks.__file__).parents[2])
    python_path = os.pathsep.join(filter(None, [package_root, os.environ.get("PYTHONPATH")]))
    return {
        # multi-model-server gives a worker one thread where this is not set.
        "OMP_NUM_THREADS": str(threads),
        SPIN[0]: SPIN[1],
        **os.environ,
        "PYTHONPATH": python_path,
        "PYTHONUNBUFFERED": "1",
        # torch and the user's code leave things there; they go when the server does.
        "TMPDIR": str(run_dir),
        # For the user's code, which asks torch.
        **({} if config.use_cuda else {"CUDA_VISIBLE_DEVICES": ""}),
        BASE_DIR.names[0]: str(config.model_dir.parent),
        RUN_DIR_VARIABLE: str(run_dir),
        SUPERVISOR_VARIABLE: str(os.getpid()),
    }


def serve(config: ServeConfig) -> int:
    """Serve until a signal; see `Supervisor.run`."""
    if config.multi_model:
        checks.check_default_accept(config)
    else:
        checks.check_model_dir(config)
    gpus = gpu.look(off_by="" if config.use_cuda else gpu.SWITCH)
    logger.info(event("gpu", found=gpus.text))
    machine = Machine.look(gpus=gpus.count, memory_limit_bytes=config.memory_limit_bytes)
    with checks.open_port(config) as listener, checks.metrics_port(config) as metrics, _run_dir() as run_dir:
        address, port = listener.getsockname()[:2]
        place = {"models": config.models_dir} if config.multi_model else {"model": config.model_dir}
        logger.info(event("listening", address=address, port=port, **place))
        adopt_orphans()
        try:
            return asyncio.run(Supervisor(config, machine, listener, metrics, run_dir).run())
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


def main() -> None:
    """The `serve` command."""
    arguments = _parser().parse_args()
    try:
        config = ServeConfig.from_environment()
        logs.configure(config.log_level, form=config.log_format)
        if arguments.check:
            # Only here: it imports torch.
            from container.serve.check import check

            sys.stdout.write(check(config))
            return
        code = serve(config)
        output.let_go()
        sys.exit(code)
    except UserError as error:
        output.let_go()
        sys.stderr.write(f"serve: {error}\n")
        sys.exit(1)


def _parser() -> argparse.ArgumentParser:
    table = "\n".join(f"  {variable.names[0]} ({variable.default})" for variable in VARIABLES)
    parser = argparse.ArgumentParser(
        prog="serve",
        description="Serve the model in SAGEMAKER_BASE_DIR/model: GET /ping, POST /invocations.",
        epilog=f"Settings are environment variables (default in brackets), explained in docs/serving.md:\n{table}\n\n"
        "example: SAGEMAKER_BASE_DIR=job SAGEMAKER_BIND_TO_PORT=8081 serve",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--check", action="store_true", help="load the model, make one prediction, say what it is, and exit 0 or 1"
    )
    return parser


if __name__ == "__main__":
    main()
