"""Measures what hostile request bodies cost other clients: a bystander's latency, and the server's memory.

    python -m bench.attack [--only WORDS] [--json FILE]

One worker serves everybody. A bystander keeps asking about an ordinary picture before a hostile body is sent, while it
is answered, and for a moment after; one line sends four hostile bodies at once. The bystander must always get 200, in
99 of 100 cases within `--most-s`, and the server may use at most `--most-mb` more memory than when idle.
"""

import argparse
import http.client
import json
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.hostile import Hostile, all_bodies
from bench.telling import tell

if TYPE_CHECKING:
    from bench.serving.server import Server

_MOST_S, _MOST_MB = 1.0, 600.0
_AT_ONCE = "WebP of 34 bytes, 100 MP"
_BYSTANDER_EVERY_S = 0.01
_AFTER_S = 0.5
_WEIGHED_EVERY_S = 0.02
_TIMEOUT_S = 90.0


@dataclass(frozen=True)
class Row:
    """The effect of one hostile body."""

    name: str
    bytes: int
    status: int
    seconds: float
    """Until it was answered."""
    bystander_requests: int
    bystander_failed: int
    """Without an answer, or with another status than 200."""
    bystander_p99_s: float
    bystander_worst_s: float
    memory_mb: float
    """Peak above the idle server's."""


def main(arguments: Sequence[str] | None = None) -> None:
    given = parse(arguments)
    from bench.serving import ours
    from bench.serving.server import Server, StartError
    from bench.serving.workload import Workload
    from container.processes import adopt_orphans, kill_descendants

    adopt_orphans()
    with ExitStack() as stack:
        stack.callback(kill_descendants)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="slipway-bench-")))
        workload = Workload.make(folder, given.architecture, given.size, pictures=16, kept=None, told=tell)
        server = Server(ours.launch(workload), folder)
        stack.callback(server.stop)
        try:
            server.await_ready()
        except StartError as error:
            sys.exit(f"bench.attack: {error}")
        ordinary = workload.pictures[0].read_bytes()
        port = server.launch.port
        for _ in range(20):
            _ask(port, ordinary, "image/jpeg")
        print(_HEAD)
        rows = []
        for hostile in all_bodies():
            if given.only.lower() in hostile.name.lower():
                rows.append(_attack(server, ordinary, hostile, hostile.make(), at_once=1))
                print(_line(rows[-1]), flush=True)
            if given.only.lower() in hostile.name.lower() and hostile.name == _AT_ONCE:
                rows.append(_attack(server, ordinary, hostile, hostile.make(), at_once=4))
                print(_line(rows[-1]), flush=True)
    finish(rows, given)


def finish(rows: Sequence[Row], given: argparse.Namespace) -> None:
    """Write the file, and exit if a row is over the bounds."""
    if given.json:
        given.json.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n")
    if bad := [row.name for row in rows if _is_over(row, given)]:
        sys.exit(f"bench.attack: over the bounds: {'; '.join(bad)}")


def _is_over(row: Row, given: argparse.Namespace) -> bool:
    return (
        row.status >= 500
        or row.bystander_failed > 0
        or row.bystander_p99_s > given.most_s
        or row.memory_mb > given.most_mb
    )


def _attack(server: "Server", ordinary: bytes, hostile: Hostile, body: bytes, *, at_once: int) -> Row:
    port = server.launch.port
    idle = _weigh(server)
    over = threading.Event()
    with ThreadPoolExecutor(2 + at_once) as pool:
        scales = pool.submit(_weigh_until, server, over)
        bystander = pool.submit(_ask_until, port, ordinary, over)
        time.sleep(_AFTER_S)
        began = time.monotonic()
        sent = [pool.submit(_ask, port, body, hostile.content_type) for _ in range(at_once)]
        statuses = [each.result() for each in sent]
        seconds = time.monotonic() - began
        time.sleep(_AFTER_S)
        over.set()
        waits = sorted(bystander.result())
        peak = scales.result()
    failed = sum(wait == float("inf") for wait in waits)
    return Row(
        name=hostile.name if at_once == 1 else f"{at_once} times at once: {hostile.name}",
        bytes=len(body),
        status=max(statuses),
        seconds=seconds,
        bystander_requests=len(waits),
        bystander_failed=failed,
        bystander_p99_s=waits[min(len(waits) - 1, int(0.99 * len(waits)))],
        bystander_worst_s=waits[-1],
        memory_mb=(peak - idle) / 1e6,
    )


def _ask_until(port: int, body: bytes, over: threading.Event) -> list[float]:
    """Keep asking; returns each request's seconds, infinity if it failed."""
    waits = []
    while not over.is_set():
        began = time.monotonic()
        status = _ask(port, body, "image/jpeg")
        waits.append(time.monotonic() - began if status == 200 else float("inf"))
        over.wait(_BYSTANDER_EVERY_S)
    return waits


def _ask(port: int, body: bytes, content_type: str) -> int:
    """Send one request; returns the status, 599 without an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_S)
    try:
        connection.request("POST", "/invocations", body, {"Content-Type": content_type})
        response = connection.getresponse()
        response.read()
        return response.status
    except (OSError, http.client.HTTPException):
        return 599
    finally:
        connection.close()


def _weigh_until(server: "Server", over: threading.Event) -> int:
    peak = 0
    while not over.wait(_WEIGHED_EVERY_S):
        peak = max(peak, _weigh(server))
    return peak


def _weigh(server: "Server") -> int:
    """Sum the resident memory of all of the server's processes."""
    from bench.serving.monitor import resident
    from container.processes import descendants

    return sum(map(resident, [server.pid, *descendants(server.pid)]))


_HEAD = (
    f"{'body':52}{'MB':>8}{'status':>8}{'seconds':>9}{'bystander: asked':>18}{'failed':>8}{'p99 s':>8}{'worst s':>9}"
    f"{'memory MB':>11}"
)


def _line(row: Row) -> str:
    return (
        f"{row.name:52}{row.bytes / 1e6:8.2f}{row.status:8}{row.seconds:9.2f}{row.bystander_requests:18}"
        f"{row.bystander_failed:8}{row.bystander_p99_s:8.2f}{row.bystander_worst_s:9.2f}{row.memory_mb:11.0f}"
    )


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.attack", description="Measure what hostile request bodies cost other clients."
    )
    parser.add_argument(
        "--only", default="", metavar="WORDS", help="only bodies with these words in their names; default: all"
    )
    parser.add_argument("--architecture", default="resnet18", metavar="NAME", help="default: %(default)s")
    parser.add_argument("--size", type=int, default=224, metavar="PIXELS", help="default: %(default)s")
    parser.add_argument("--most-s", type=float, default=_MOST_S, metavar="S", help="default: %(default)s")
    parser.add_argument("--most-mb", type=float, default=_MOST_MB, metavar="MB", help="default: %(default)s")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the results to this file")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
