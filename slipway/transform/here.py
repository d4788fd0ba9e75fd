"""Batch transform on this machine: sends a folder of pictures to a local server."""

import json
import os
import re
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from slipway.batch_transform.labels import LocalPictures
from slipway.batch_transform.predictions_file import Format, Row
from slipway.errors import NoServerError, RequestError, StoppedError, TransformError
from slipway.inference.invocations import Endpoint
from slipway.processes.process import ChildProcess, child_process
from slipway.processes.serving import SUPERVISOR, model_directory

_WORKERS = 8
_LISTENING = re.compile(r"event=listening .*port=(\d+)")
_LAST_LINES = 5


def rows_here(pictures: LocalPictures, model: Path, form: Format, advance: Callable[[int, int], None]) -> Iterator[Row]:
    """Predict each picture, and yield the rows in the order of the pictures' names.

    Args:
        pictures: The pictures.
        model: A model.tar.gz, a model directory, or a job directory.
        form: As for `write_predictions`.
        advance: Called with the number of pictures predicted so far, and the total.

    Raises:
        TransformError: The server did not start.
        JobError, ArchiveError: There is no model.
        StoppedError: A signal stopped it.
    """
    files = pictures.files
    with model_directory(model) as base, _server(base) as (child, url), ThreadPoolExecutor(_WORKERS) as pool:
        own = threading.local()

        def row(file: Path) -> Row:
            if not hasattr(own, "endpoint"):
                own.endpoint = Endpoint(url)
            name = file.relative_to(pictures.folder).as_posix()
            try:
                return Row(name, _answer(own.endpoint, file, form))
            except RequestError as error:
                return Row(name, None, str(error))

        for start in range(0, len(files), 100 * _WORKERS):
            try:
                for number, found in enumerate(pool.map(row, files[start : start + 100 * _WORKERS]), start=start + 1):
                    yield found
                    advance(number, len(files))
            except NoServerError as error:
                if child.received:
                    raise StoppedError("stopped; no file of predictions was written", child.received[0]) from error
                raise


def _answer(endpoint: Endpoint, file: Path, form: Format) -> str:
    predictions = endpoint.predict(file)
    if form == "jsonl":
        return json.dumps({"predictions": [asdict(row) for row in predictions]}, ensure_ascii=False)
    label = predictions[0].label.replace('"', '""')
    return f'"{label}",{predictions[0].probability}'


@contextmanager
def _server(base: Path) -> Iterator[tuple[ChildProcess, str]]:
    """Start a server for the model, wait until it is ready, and yield its address."""
    environment = {
        **os.environ,
        "SAGEMAKER_BASE_DIR": str(base),
        "SAGEMAKER_BIND_TO_PORT": "0",
        "SLIPWAY_HOST": "127.0.0.1",
        # The server's output is parsed.
        "SLIPWAY_LOG_FORMAT": "text",
    }
    lines: deque[str] = deque(maxlen=_LAST_LINES)
    ports: list[str] = []

    def read(child: ChildProcess) -> None:
        for line in child.stdout:
            lines.append(line.strip())
            ports.extend(_LISTENING.findall(line))

    command = [sys.executable, "-m", SUPERVISOR]
    with child_process(command, environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as child:
        reader = threading.Thread(target=read, args=(child,), daemon=True)
        reader.start()
        while not (ports and _ready(f"http://127.0.0.1:{ports[0]}")):
            if child.process.poll() is not None:
                reader.join()
                if child.received:
                    raise StoppedError("stopped; no file of predictions was written", child.received[0])
                raise TransformError("the server did not start; its last output: " + " / ".join(lines))
            time.sleep(0.1)
        yield child, f"http://127.0.0.1:{ports[0]}"


def _ready(url: str) -> bool:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(f"{url}/ping", timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
