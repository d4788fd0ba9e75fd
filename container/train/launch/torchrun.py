"""Several processes for one job, one for each GPU or one for each host, started by torchrun's own launcher.

On each host that launcher runs in the program that the toolkit started, which forwards SIGTERM and finds out why a
process died.
"""

import contextlib
import logging
import math
import os
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from torch.distributed import DistError
from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from container.contract.errors import HostsError
from container.processes import children
from container.train.launch.failure import LOST_PEER, compose, describe_signal, write_failure
from container.train.launch.hosts import PATIENCE_S, Hosts, await_name
from container.train.launch.stopping import Stop

logger = logging.getLogger(__name__)

OWN_PROGRAM = ("-m", "container.train.program")

# torchrun's own variable and default.
_PORT = "MASTER_PORT"
_DEFAULT_PORT = "29500"


def run_processes(
    hosts: Hosts,
    per_host: int,
    failure: Path,
    stop: Stop,
    *,
    arguments: Sequence[str] = OWN_PROGRAM,
    patience_s: float = PATIENCE_S,
) -> int:
    """Run this host's processes to their end.

    Args:
        hosts: The job's hosts.
        per_host: Number of processes on this one.
        failure: The failure file; written here if no process could.
        stop: Whether the job was asked to end before the processes started.
        arguments: Python's command-line arguments in each of them.
        patience_s: How long to wait for the other hosts.

    Returns:
        The exit code: 0, that of the process that failed, or 128 + n if signal n killed it.

    Raises:
        HostsError: The other hosts did not connect.
        Interrupted: The job was asked to end before the processes started.
    """
    first = hosts.names[0]
    alone = len(hosts.names) == 1
    if not alone:
        await_name(first, stop, patience_s=patience_s)
    logger.info(
        "training on %d host%s with %d process%s each; this is %s%s",
        *(len(hosts.names), "s" * (len(hosts.names) > 1), per_host, "es" * (per_host > 1), hosts.current),
        f", and the metrics are in the log of {first}" if arguments == OWN_PROGRAM else "",
    )
    _prepare_environment(hosts)
    port = str(free_port()) if alone else os.environ.get(_PORT, _DEFAULT_PORT)
    with tempfile.TemporaryDirectory(prefix="slipway-torchrun-") as logs:
        config = LaunchConfig(
            min_nodes=len(hosts.names),
            max_nodes=len(hosts.names),
            nproc_per_node=per_host,
            run_id=os.environ.get("TRAINING_JOB_NAME") or "training",
            rdzv_backend="static",
            rdzv_endpoint=f"{'127.0.0.1' if alone else first}:{port}",
            rdzv_configs={"rank": hosts.index, "timeout": math.ceil(patience_s)},
            local_addr=hosts.current,
            max_restarts=0,
            logs_specs=DefaultLogsSpecs(log_dir=logs),
        )
        error = _launch(config, arguments, Path(logs), stop)
    if error is None:
        return 0
    if isinstance(error, DistError):
        raise HostsError(
            f"the hosts of the job ({', '.join(hosts.names)}) did not all connect to {first}, port {port}, within "
            f"{patience_s / 60:.0f} minutes: see in their logs whether they started, and whether the subnets and "
            f"security groups of the job let its hosts reach each other ({error})"
        ) from error
    if not isinstance(error, ChildFailedError):
        raise error
    rank, cause = _first_cause(error.failures)
    if arguments == OWN_PROGRAM and cause.exitcode == LOST_PEER:
        return _explain_lost_peer(cause, hosts, failure)
    if cause.exitcode < 0:
        write_failure(failure, compose(f"rank {rank} on {hosts.current}: {describe_signal(-cause.exitcode)}"))
        return 128 - cause.exitcode
    return cause.exitcode


def _prepare_environment(hosts: Hosts) -> None:
    for name, value in hosts.network_variables.items():
        os.environ.setdefault(name, value)
    # Otherwise NCCL's watchdog kills a process whose GPU has failed before it can report that.
    os.environ.setdefault("TORCH_NCCL_RETHROW_CUDA_ERRORS", "0")
    # torchrun's log of a failure hides the cause, which our processes write themselves.
    elastic = logging.getLogger("torch.distributed.elastic")
    elastic.addHandler(logging.NullHandler())
    elastic.propagate = False


def free_port() -> int:
    """Find a port of this machine that nothing listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def _launch(config: LaunchConfig, arguments: Sequence[str], logs: Path, stop: Stop) -> BaseException | None:
    """Run torchrun's launcher; returns what it raised. In a thread, where it installs no signal handlers: at SIGTERM it
    would kill the processes after half a minute."""
    raised: list[BaseException] = []

    def launch() -> None:
        try:
            elastic_launch(config, sys.executable)(*arguments)
        except BaseException as error:  # noqa: BLE001 - raised or explained where it is awaited
            raised.append(error)

    def pass_on(number: int, _frame: FrameType | None) -> None:
        if not any(logs.glob("*/attempt_*")):  # created with the processes: the other hosts have not connected yet
            raise SystemExit(128 + number)
        for pid in children(os.getpid()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, pass_on)
    stop.check()
    thread = threading.Thread(target=launch, name="torchrun", daemon=True)
    thread.start()
    thread.join()
    return raised[0] if raised else None


def _explain_lost_peer(cause: ProcessFailure, hosts: Hosts, failure: Path) -> int:
    if hosts.others:
        others = " or ".join(hosts.others)
        text = (
            f"{hosts.current} lost its connection to {others}: {cause.message}. If the job failed there first, the "
            "log there says why"
        )
    else:
        text = f"the processes on {hosts.current} could not work together: {cause.message}"
    write_failure(failure, compose(text, cause.message))
    return 1


def _first_cause(failures: dict[int, ProcessFailure]) -> tuple[int, ProcessFailure]:
    """Find the failure that caused the others: those lost their connection, or were killed because of it."""
    return min(
        failures.items(),
        key=lambda item: (item[1].exitcode == LOST_PEER, item[1].exitcode == -signal.SIGTERM, item[1].timestamp),
    )
