"""Imports the worker's code once, torch and timm with the first model that needs them, and forks a process for every
model.

A model then costs only the memory of its tensors and buffers, and starts without the seconds that the imports take.
docs/serving.md has the figures.
"""

import gc
import importlib
import importlib.util
import json
import os
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from container.contract.errors import UserError
from container.contract.model_files import CARD, SEED_TENSORS
from container.contract.networks import is_resnet
from container.graph.current import why_not_usable
from container.imports import uncollected
from container.model_card import read_card
from container.processes import kill_group, when_ended
from container.serve.mms.fork_server import run_script
from container.serve.mms.fork_socket import ADDRESS, MAX_REQUEST_BYTES
from container.serve.protocol.state import MODEL_DIR_FILE, RUN_DIR_VARIABLE
from container.serve.worker.loaded_torch import has_torch

# None of these may start a thread: threads do not survive a fork. OpenVINO starts one, so each model imports it.
_FOR_ALL = ("container.serve.worker.service",)
_FOR_TORCH = ("container.artifact", "container.serve.worker.engine.eager")


def main() -> None:
    """Fork a process for each connection (see stand_in.py), until the supervisor exits."""
    _import(_FOR_ALL)
    # The kernel reaps the children.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    address = Path(os.environ[RUN_DIR_VARIABLE], ADDRESS)
    address.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(address))
        listener.listen(128)
        while True:
            connection = listener.accept()[0]
            message, descriptors, _, _ = socket.recv_fds(connection, MAX_REQUEST_BYTES, 3)
            request = json.loads(message or b"{}")
            if request:
                _import(_needed(Path(request["directory"])))
            if request and os.fork() == 0:
                listener.close()
                _become(connection, request, descriptors)
            connection.close()
            for descriptor in descriptors:
                os.close(descriptor)


def _import(names: Sequence[str]) -> None:
    # Objects that the garbage collector leaves alone are not written to, so their pages stay shared.
    with uncollected():
        for name in names:
            if importlib.util.find_spec(name):
                importlib.import_module(name)
        gc.collect()


def _needed(place: Path) -> Sequence[str]:
    """Name what the model at a place in multi-model-server's store needs besides: nothing if its graph is there."""
    if not has_torch():
        return ()  # loading it will say so
    try:
        directory = Path((place / MODEL_DIR_FILE).read_text())
        if not (directory / CARD).is_file():
            return _FOR_TORCH if (directory / SEED_TENSORS).is_file() else ()
        card = read_card(directory)
        if not why_not_usable(directory, card):
            return ()
        return _FOR_TORCH if is_resnet(card.architecture) else (*_FOR_TORCH, "timm")
    except (OSError, UserError):  # loading it will say what is wrong
        return ()


def _become(connection: socket.socket, request: dict[str, object], descriptors: list[int]) -> None:
    """Become the process that multi-model-server believes to have started; never returns."""
    code = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        # One process group for the model and its workers, so that they are killed together.
        os.setpgid(0, 0)
        for target, descriptor in enumerate(descriptors):
            os.dup2(descriptor, target)
            os.close(descriptor)
        sys.argv = [str(argument) for argument in request["arguments"]]  # type: ignore[attr-defined]
        os.chdir(str(request["directory"]))
        when_ended(int(str(request["pid"])), lambda: kill_group(os.getpid()))
        connection.sendall(str(os.getpid()).encode())
        connection.close()
        run_script()
        code = 0
    finally:
        os._exit(code)


if __name__ == "__main__":
    main()
