"""The hosts of a job and the ranks of its processes. No torch here."""

import json
import logging
import os
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from container.contract.errors import HostsError
from container.train.launch.stopping import Stop

logger = logging.getLogger(__name__)

# As long as sagemaker-training waits for the hosts of a user's script.
PATIENCE_S = 900.0
_INTERFACES = Path("/sys/class/net")


@dataclass(frozen=True, kw_only=True)
class Hosts:
    """The job's hosts, from `resourceconfig.json`.

    Source: "How Amazon SageMaker Provides Training Information" in the SageMaker developer guide.
    """

    names: tuple[str, ...]
    """Sorted, so that they have the same order on every host; the first one writes the job's outputs."""
    current: str
    interface: str | None
    """The network interface that connects them; None if this machine has none of that name."""

    @property
    def index(self) -> int:
        return self.names.index(self.current)

    @property
    def others(self) -> list[str]:
        return [name for name in self.names if name != self.current]

    @property
    def network_variables(self) -> dict[str, str]:
        """The environment variables that tell torch's backends the network interface."""
        interface = self.interface if self.others else "lo"
        return dict.fromkeys(("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"), interface) if interface else {}


@dataclass(frozen=True, kw_only=True)
class Rank:
    """The rank of one process among all of a job, as torchrun numbers them."""

    rank: int = 0
    size: int = 1
    """Number of processes of the job."""
    local_rank: int = 0
    local_size: int = 1
    """Number of processes on this host."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self | None:
        """Read torchrun's environment variables; None for a process that it did not start."""
        if "TORCHELASTIC_RUN_ID" not in environment:
            return None
        rank, size, local_rank, local_size = (
            int(environment[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
        )
        return cls(rank=rank, size=size, local_rank=local_rank, local_size=local_size)


def read_hosts(config: Path) -> Hosts:
    """Read `resourceconfig.json`; a job without one has only this host.

    Raises:
        HostsError: It is malformed, or this host is not among its hosts.
    """
    path = config / "resourceconfig.json"
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        names, current = tuple(sorted(map(str, fields["hosts"]))), str(fields["current_host"])
        interface = str(fields.get("network_interface_name", ""))
    except FileNotFoundError:
        return Hosts(names=("localhost",), current="localhost", interface=None)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise HostsError(f"{path} does not name the job's hosts: {type(error).__name__}: {error}") from error
    if current not in names:
        raise HostsError(f"{path} says that this host is {current}, which is not among its hosts: {', '.join(names)}")
    return Hosts(names=names, current=current, interface=find_interface(interface))


def find_interface(name: str) -> str | None:
    """Return the name of a network interface if this machine has it, else None."""
    return name if name and (_INTERFACES / name).is_dir() else None


def await_name(
    name: str,
    stop: Stop,
    *,
    patience_s: float = PATIENCE_S,
    resolve: Callable[[str, None], object] = socket.getaddrinfo,
    clock: Callable[[], float] = time.monotonic,
    wait: Callable[[float], None] = time.sleep,
) -> None:
    """Wait until a host's name resolves: hosts of one job do not start at the same moment.

    Args:
        name: The host's name.
        stop: Checked every second.
        patience_s: How long to wait.
        resolve: Raises OSError for a name that does not resolve.
        clock: The current time, seconds.
        wait: Sleeps that many seconds.

    Raises:
        HostsError: It did not resolve in time.
        Interrupted: The job was asked to end.
    """
    started, minutes = clock(), 0
    while True:
        try:
            resolve(name, None)
            return
        except OSError as error:
            waited_s = clock() - started
            if waited_s >= patience_s:
                raise HostsError(
                    f"the name of the job's first host, {name}, has had no address for {waited_s / 60:.0f} minutes "
                    f"({error}). See in its log whether it started, and whether the subnets and security groups of the "
                    "job let its hosts reach each other"
                ) from error
            if waited_s >= 60 * minutes:
                logger.info("waiting for %s, whose name has no address yet (%d minutes so far)", name, minutes)
                minutes += 1
        stop.check()
        wait(1)
