"""The hosts of a job, this one's place among them, and the processes on each. No torch here."""

import json
import logging
import os
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from container.errors import HostsError
from container.train.stopping import Stop

logger = logging.getLogger(__name__)

# As long as sagemaker-training waits for the hosts of a user's script.
PATIENCE_S = 900.0
_INTERFACES = Path("/sys/class/net")


@dataclass(frozen=True, kw_only=True)
class Hosts:
    """What `resourceconfig.json` says.

    Source: "How Amazon SageMaker Provides Training Information" in the SageMaker developer guide.
    """

    names: tuple[str, ...]
    """Sorted, so that every host counts them alike; the first one's processes write what the job leaves."""
    current: str
    interface: str | None
    """The network interface that they reach each other by; None where this machine has none of that name."""

    @property
    def index(self) -> int:
        return self.names.index(self.current)

    @property
    def others(self) -> list[str]:
        return [name for name in self.names if name != self.current]


@dataclass(frozen=True, kw_only=True)
class Rank:
    """The place of one process among all of a job, as torchrun counts them."""

    rank: int = 0
    size: int = 1
    """Processes of the job."""
    local_rank: int = 0
    local_size: int = 1
    """Processes on this host."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self | None:
        """What torchrun said; None for a process that it did not start."""
        if "TORCHELASTIC_RUN_ID" not in environment:
            return None
        rank, size, local_rank, local_size = (
            int(environment[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
        )
        return cls(rank=rank, size=size, local_rank=local_rank, local_size=local_size)


def read_hosts(config: Path) -> Hosts:
    """Read `resourceconfig.json`; a job without one has this host alone.

    Raises:
        HostsError: It is no description of hosts that has this one among them.
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
    here = bool(interface) and (_INTERFACES / interface).is_dir()
    return Hosts(names=names, current=current, interface=interface if here else None)


def await_name(
    name: str,
    stop: Stop,
    *,
    patience_s: float = PATIENCE_S,
    resolve: Callable[[str, None], object] = socket.getaddrinfo,
    clock: Callable[[], float] = time.monotonic,
    wait: Callable[[float], None] = time.sleep,
) -> None:
    """Wait until a host's name has an address: hosts of one job do not start at the same moment.

    Args:
        name: The host's.
        stop: Looked at each second.
        patience_s: How long to wait.
        resolve: Raises OSError for a name without an address.
        clock: Seconds.
        wait: Lets that many seconds pass.

    Raises:
        HostsError: There was none in time.
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
