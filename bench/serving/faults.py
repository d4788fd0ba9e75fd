"""Injects faults into a server under load: kills its parts, and lets clients misbehave."""

import asyncio
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bench.serving.load import LOST, Answer, Connection
from bench.serving.load_process import LoadProcess
from bench.serving.ours import processes_of
from bench.serving.server import Server, StartError

KINDS = ("worker", "model server", "front", "burst", "slow clients", "bad pictures")
"""The first three are parts to kill with SIGKILL."""

HARMLESS = ("slow clients", "bad pictures")
"""Faults that must not fail anybody else's request; they count in the error budget."""

_KILLED = KINDS[:3]
# The supervisor gives up on a part that exits more than three times in ten minutes.
_PERIOD_S = 600.0
_OF_A_KIND = 2

_BURST_CLIENTS = 400
_BURST_S = 5.0
_SLOW_CLIENTS = 40
_SLOW_S = 10.0
_BAD_PICTURES = 60
_PATIENCE_S = 120.0
_TICK_S = 0.02

# Time to answer the requests that waited while the server recovered.
_AFTERMATH_S = 5.0


@dataclass
class Fault:
    """An injected fault."""

    kind: str
    start: float
    """Seconds of `time.monotonic()`."""
    end: float = 0.0
    """When the server had recovered and answered the requests that had waited."""
    statuses: dict[int, int] = field(default_factory=dict)
    """Statuses of the requests that are the fault: of a burst, or of bad pictures."""
    problem: str = ""
    """The server's misbehaviour, in words."""


def schedule(seconds: float, kinds: Sequence[str], seed: int) -> list[tuple[float, str]]:
    """Plan when to inject each fault, in seconds from the start.

    Args:
        seconds: Length of the soak.
        kinds: Each comes twice in ten minutes, and once in less.
        seed: Decides the order and the times.
    """
    generator = random.Random(seed)  # noqa: S311 - a schedule is no secret
    planned: list[tuple[float, str]] = []
    start = 0.0
    while start < seconds:
        length = min(_PERIOD_S, seconds - start)
        order = [kind for kind in kinds for _ in range(_OF_A_KIND if length >= _PERIOD_S else 1)]
        generator.shuffle(order)
        slot = length / (len(order) + 1)
        planned += [
            (start + slot * (number + 0.5 + generator.uniform(0, 0.3)), kind) for number, kind in enumerate(order)
        ]
        start += _PERIOD_S
    return planned


class Faults:
    """Injects them into a server.

    Args:
        server: Ours.
        good: A picture's request, as bytes.
        burst: Generates bursts.
    """

    def __init__(self, server: Server, good: bytes, burst: LoadProcess) -> None:
        self._server = server
        self._good = good
        self._burst = burst

    def inject(self, kind: str, is_ready: Callable[[], bool]) -> Fault:
        """Inject a fault, and wait until the server has recovered.

        Args:
            kind: One of `KINDS`.
            is_ready: Whether `/ping` returns 200 now.
        """
        fault = Fault(kind, time.monotonic())
        if kind in _KILLED:
            self._kill(kind, fault, is_ready)
        elif kind == "burst":
            samples = self._burst.closed(
                self._server.launch.target, concurrency=_BURST_CLIENTS, warm_s=0, seconds=_BURST_S
            )
            fault.statuses = dict(Counter(samples.status))
            self._expect(fault, {200, 503})
        elif kind == "slow clients":
            asyncio.run(self._slow_clients())
        else:
            fault.statuses = asyncio.run(self._bad_pictures())
            self._expect(fault, {400, 415, 422})
        if kind not in HARMLESS:
            time.sleep(_AFTERMATH_S)
        fault.end = time.monotonic()
        return fault

    def _expect(self, fault: Fault, allowed: set[int]) -> None:
        if wrong := sorted(set(fault.statuses) - allowed):
            fault.problem = f"{fault.kind}: answered {', '.join(map(str, wrong))}"

    def _kill(self, part: str, fault: Fault, is_ready: Callable[[], bool]) -> None:
        before = set(processes_of(self._server)[part])
        if not before:
            raise StartError(f"there is no process of the part {part!r} to kill")
        victim = min(before)
        os.kill(victim, signal.SIGKILL)
        give_up_at = time.monotonic() + _PATIENCE_S
        while True:
            parts = processes_of(self._server)
            replaced = bool(parts[part]) and victim not in parts[part] and len(parts[part]) >= len(before)
            # Java's workers exit with it.
            if replaced and parts["worker"] and is_ready() and asyncio.run(self._ask(self._good)).status == 200:
                return
            if time.monotonic() > give_up_at:
                fault.problem = f"{part}: not recovered within {_PATIENCE_S:.0f} s"
                return
            time.sleep(_TICK_S)

    async def _ask(self, request: bytes) -> Answer:
        connection = Connection(self._server.launch.port)
        try:
            async with asyncio.timeout(_PATIENCE_S):
                return await connection.ask(request)
        except TimeoutError:
            return Answer(LOST)
        finally:
            connection.close()

    async def _slow_clients(self) -> None:
        """Send the beginning of requests, then a byte now and then, and disconnect before their end."""

        async def slow() -> None:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self._server.launch.port)
                until_s = time.monotonic() + _SLOW_S
                sent = 200
                writer.write(self._good[:sent])
                while time.monotonic() < until_s and sent < len(self._good):
                    await asyncio.sleep(0.5)
                    writer.write(self._good[sent : sent + 1])
                    sent += 1
                writer.close()
            except OSError:
                return

        await asyncio.gather(*(slow() for _ in range(_SLOW_CLIENTS)))

    async def _bad_pictures(self) -> dict[int, int]:
        head, _, body = self._good.partition(b"\r\n\r\n")
        lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"content-length")]
        bad = [b"no picture", body[:100], body[:2] + bytes(1000), b"GIF89a" + bytes(50), b""]
        found: Counter[int] = Counter()
        for number in range(_BAD_PICTURES):
            content = bad[number % len(bad)]
            length = f"Content-Length: {len(content)}".encode()
            found[(await self._ask(b"\r\n".join([*lines, length, b"", content]))).status] += 1
        return dict(found)
