"""All that the benchmarks know of how our own server works inside."""

import json
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bench.serving.load import Target
from bench.serving.server import Launch, Server, StartError, free_port
from bench.serving.workload import Workload
from container.cpus import SPIN, available_cpus
from container.processes import descendants

BATCH_SIZE = 8
"""Our default."""

# So far ahead is the deadline of a request that does not come through the front.
_LONG_S = 1e6

_PATIENCE_S, _TICK_S = 10.0, 0.05


def launch(workload: Workload) -> Launch:
    """Our server, as a user starts it."""
    port = free_port()
    return Launch(
        name="ours",
        command=[sys.executable, "-m", "container.serve.supervisor"],
        environment={
            "SAGEMAKER_BASE_DIR": str(workload.folder / "ours"),
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
    """What runs the network, by the log: "openvino"."""
    return _loaded(server).get("engine", "torch")


def processes_of(server: Server) -> dict[str, list[int]]:
    """Process ids by part: `supervisor`, `front`, `model server` (Java), `worker`; none while one is replaced."""
    found: dict[str, list[int]] = {"supervisor": [server.pid], "front": [], "model server": [], "worker": []}
    loaded = {int(fields["worker"]) for fields in _events(server, "loaded") if "worker" in fields}
    for pid in descendants(server.pid):
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if pid in loaded:
            found["worker"].append(pid)
        elif b"container.serve.front_process" in words:
            found["front"].append(pid)
        elif b"com.amazonaws.ml.mms.ModelServer" in words:
            found["model server"].append(pid)
    return found


def without_front(server: Server, workload: Workload) -> tuple[Target, int]:
    """The same requests straight to multi-model-server, as the front sends them, and how many of them one holds.

    Their bodies are in this process's memory until it ends.
    """
    from container.serve.memory_file import MemoryFile
    from container.serve.model_server import MODEL
    from container.serve.replies import RequestHead
    from container.serve.state import ServerState

    [run_dir] = server.scratch.glob("slipway-*/")
    give_up_at = time.monotonic() + _PATIENCE_S
    while not (state := ServerState.read(run_dir)).accepting:
        # It was frozen, and has to say that it lives.
        if time.monotonic() > give_up_at:
            raise StartError("multi-model-server cannot be reached: the server accepts nothing")
        time.sleep(_TICK_S)
    head = RequestHead(request_id="bench", content_type="image/jpeg", accept=None, deadline=time.monotonic() + _LONG_S)
    parts = [head.pack(MemoryFile([picture.read_bytes()]).address) for picture in workload.pictures]
    folder = server.scratch / "bundles"
    folder.mkdir()
    bundles = []
    for number in range(len(parts) // BATCH_SIZE):
        bundles.append(folder / f"{number:04}")
        bundles[-1].write_bytes(b"[%b]" % b",".join(parts[number * BATCH_SIZE : (number + 1) * BATCH_SIZE]))
    headers = {"Content-Type": "application/octet-stream"}
    return Target(state.inference_port, f"/predictions/{MODEL}", headers, [str(path) for path in bundles]), BATCH_SIZE


def worker_environment() -> dict[str, str]:
    """What our supervisor gives a single worker, as far as it matters to how fast the worker is."""
    return {"OMP_NUM_THREADS": str(available_cpus()), SPIN[0]: SPIN[1]}


class Functions:
    """Our decoding and our engine in this process, as a worker has them.

    Args:
        base_dir: Holds `model`.
    """

    def __init__(self, base_dir: str) -> None:
        from mms.context import Context

        from container.serve.config import ServeConfig
        from container.serve.service import load

        config = ServeConfig.from_environment({"SAGEMAKER_BASE_DIR": base_dir})
        self.batch_size = config.batch_size
        self._functions, _ = load(config, Context("model", str(config.model_dir), {}, config.batch_size, None, ""))

    def answer(self, bodies: Sequence[bytes]) -> list[bytes]:
        """The bodies of the answers to JPEG files, in order.

        Raises:
            ValueError: One was not answered.
        """
        from container.serve.replies import Request, RequestHead

        head = RequestHead(
            request_id="bench", content_type="image/jpeg", accept=None, deadline=time.monotonic() + _LONG_S
        )
        replies = self._functions.answer([Request(head, body) for body in bodies])
        if wrong := [reply for reply in replies if reply.status != 200]:
            raise ValueError(f"{len(wrong)} of {len(replies)} pictures were not answered: {wrong[0].body.decode()}")
        return [reply.body for reply in replies]


def _loaded(server: Server) -> dict[str, str]:
    lines = _events(server, "loaded")
    return lines[-1] if lines else {}


def _events(server: Server, name: str) -> list[dict[str, str]]:
    lines = [line for line in server.log.splitlines() if f"event={name} " in line]
    return [dict(re.findall(r'(\w+)=("(?:[^"\\]|\\.)*"|\S+)', line)) for line in lines]
