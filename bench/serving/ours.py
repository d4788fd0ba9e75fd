"""Everything the benchmarks know about the inside of our own server."""

import json
import re
import sys
import time
from pathlib import Path

from bench.serving.functions import LONG_S
from bench.serving.load import Target
from bench.serving.server import Launch, Server, StartError, free_port
from bench.serving.workload import Workload
from container.cpus import available_cpus
from container.processes import descendants
from container.serve.supervisor.part_environment import SPIN

BATCH_SIZE = 8
"""Our default."""

_PATIENCE_S, _TICK_S = 10.0, 0.05


def launch(workload: Workload, name: str = "ours") -> Launch:
    """Configure our server as a user starts it.

    Args:
        workload: What it is asked.
        name: Of the folder that holds the model: `ours`, or `float`.
    """
    port = free_port()
    return Launch(
        name=name,
        command=[sys.executable, "-m", "container.serve.supervisor"],
        environment={
            "SAGEMAKER_BASE_DIR": str(workload.folder / name),
            "SAGEMAKER_BIND_TO_PORT": str(port),
            "SLIPWAY_HOST": "127.0.0.1",
        },
        port=port,
        ping="/ping",
        path="/invocations",
        content_type="image/jpeg",
        bodies=workload.pictures,
        reading="ours",
        top_class=lambda body: int(json.loads(body)["predictions"][0]["index"]),
    )


def engine_of(server: Server) -> str:
    """Read the engine's name and precision, such as "openvino, bf16", from the log."""
    loaded = _loaded(server)
    return ", ".join(filter(None, (loaded.get("engine", "torch"), loaded.get("precision"))))


def processes_of(server: Server) -> dict[str, list[int]]:
    """Find process ids by part: `supervisor`, `front`, `model server` (Java), `worker`; none while one is replaced."""
    found: dict[str, list[int]] = {"supervisor": [server.pid], "front": [], "model server": [], "worker": []}
    loaded = {int(fields["worker"]) for fields in _events(server, "loaded") if "worker" in fields}
    for pid in descendants(server.pid):
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if pid in loaded:
            found["worker"].append(pid)
        elif b"container.serve.front" in words:
            found["front"].append(pid)
        elif b"com.amazonaws.ml.mms.ModelServer" in words:
            found["model server"].append(pid)
    return found


def without_front(server: Server, workload: Workload) -> tuple[Target, int]:
    """Build the same requests as the front sends them to multi-model-server; returns them and the pictures in each.

    Their bodies stay in this process's memory until it exits.
    """
    from container.serve.protocol.memory_file import MemoryFile
    from container.serve.protocol.replies import RequestHead
    from container.serve.protocol.state import FIXED_MODEL, ServerState

    [run_dir] = server.scratch.glob("slipway-*/")
    give_up_at = time.monotonic() + _PATIENCE_S
    while not (state := ServerState.read(run_dir)).accepting:
        # It was frozen, and has to report again.
        if time.monotonic() > give_up_at:
            raise StartError("multi-model-server cannot be reached: the server accepts no requests")
        time.sleep(_TICK_S)
    head = RequestHead(request_id="bench", content_type="image/jpeg", accept=None, deadline=time.monotonic() + LONG_S)
    parts = [head.pack(MemoryFile([picture.read_bytes()]).address) for picture in workload.pictures]
    folder = server.scratch / "batches"
    folder.mkdir()
    batches = []
    for number in range(len(parts) // BATCH_SIZE):
        batches.append(folder / f"{number:04}")
        batches[-1].write_bytes(b"[%b]" % b",".join(parts[number * BATCH_SIZE : (number + 1) * BATCH_SIZE]))
    headers = {"Content-Type": "application/octet-stream"}
    return Target(
        state.inference_port, f"/predictions/{FIXED_MODEL}", headers, [str(path) for path in batches]
    ), BATCH_SIZE


def worker_environment() -> dict[str, str]:
    """Return the environment that our supervisor gives a single worker, as far as it affects speed."""
    return {"OMP_NUM_THREADS": str(available_cpus()), SPIN[0]: SPIN[1]}


def _loaded(server: Server) -> dict[str, str]:
    lines = _events(server, "loaded")
    return lines[-1] if lines else {}


def _events(server: Server, name: str) -> list[dict[str, str]]:
    lines = [line for line in server.log.splitlines() if f"event={name} " in line]
    return [dict(re.findall(r'(\w+)=("(?:[^"\\]|\\.)*"|\S+)', line)) for line in lines]
