"""What runs in each of multi-model-server's workers: it loads the model, then answers batches of requests.

multi-model-server forks a worker and calls `handle(None, context)` once, then `handle(batch, context)` for every
batch; the batch's format is that of mms/service.py.
"""

import faulthandler
import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn, Protocol

import mms.service
from mms.context import Context

from container.cpus import available_cpus
from container.errors import ServeError, UserError
from container.serve import bundle, logs, memory_file, reply_wire
from container.serve.builtin import BuiltIn
from container.serve.config import ServeConfig
from container.serve.loaded_torch import device_works, is_out_of_memory
from container.serve.logs import Event, event
from container.serve.memory_file import Address
from container.serve.predictor import Predictor
from container.serve.replies import BUG, TOO_LATE, Reply, Request, RequestError, RequestHead
from container.serve.state import MODEL_DIR_FILE, RUN_DIR_VARIABLE, WorkerStatus, is_full

logger = logging.getLogger(__name__)

Batch = Sequence[Mapping[str, Any]]

_DEVICE_LOST = RequestError(503, "the device failed while it worked on this request; try again")

# So often is it tried again to write to a disk that was full.
_ROOM_S = 0.5


class Functions(Protocol):
    """The built-in functions, or the user's."""

    def probe(self) -> None:
        """Show that the model works."""

    def answer(self, requests: Sequence[Request]) -> list[Reply]:
        """One reply per request, in order; never an exception."""


_worker: "Worker | None" = None


def handle(batch: Batch | None, context: Context) -> list[bytes] | None:
    """multi-model-server's entry point. It never raises: that would end the worker and every request it holds."""
    global _worker
    if batch is None or _worker is None:
        _worker = Worker(context)
        return None
    return _worker.answer(batch)


class Worker:
    """One process with one copy of the model."""

    def __init__(self, context: Context) -> None:
        self._config = ServeConfig.from_environment()
        self._pid = os.getpid()
        logs.configure(self._config.log_level, sys.stderr, self._config.log_format)
        # A line per metric and request, which nobody reads.
        logging.getLogger("mms.service").setLevel(logging.ERROR)
        mms.service.create_predict_response = _create_predict_response
        run_dir = Path(os.environ[RUN_DIR_VARIABLE])
        if self._config.multi_model:
            run_dir = Path(context.system_properties["model_dir"])
            self._config = ServeConfig.from_environment(model_dir=Path((run_dir / MODEL_DIR_FILE).read_text()))
        status = WorkerStatus(pid=os.getpid(), server_pid=os.getppid(), phase="loading")
        _await_room(status, run_dir, self._config.deadline_s)
        try:
            self._functions, loaded = load(self._config, context)
        except UserError as error:
            cause = error.__cause__ if isinstance(error, ServeError) else None
            trace = "".join(traceback.format_exception(cause)) if cause else ""
            _end(replace(status, message=str(error), trace=trace, out_of_memory=is_out_of_memory(cause)), run_dir)
        except Exception as error:  # noqa: BLE001 - the edge of the process; the supervisor logs it
            message = f"the model cannot be loaded: {type(error).__name__}: {error}"
            trace = traceback.format_exc()
            _end(replace(status, message=message, trace=trace, out_of_memory=is_out_of_memory(error)), run_dir)
        replace(status, phase="loaded", facts=loaded.fields).write(run_dir)

    def answer(self, batch: Batch) -> list[bytes]:
        """Answer bundles of requests, each by a bundle of replies (see bundle.py)."""
        # A worker that hangs ends itself, after showing in the log where; multi-model-server would only let go of it.
        faulthandler.dump_traceback_later(self._config.deadline_s, exit=True)
        try:
            return self._answer(batch)
        finally:
            faulthandler.cancel_dump_traceback_later()

    def _answer(self, batch: Batch) -> list[bytes]:
        # The front forms the batches: what is one request for multi-model-server is a bundle of them.
        return [self._answer_bundle(item["body"]) for item in batch]

    def _answer_bundle(self, message: bytearray) -> bytes:
        taken = time.monotonic()
        opened = [_open(head, address) for head, address in RequestHead.unpack_all(message)]
        real = [request for request in opened if isinstance(request, Request) and not request.head.probe]
        replies = iter(self._guarded(real))
        answers = [
            request if isinstance(request, Reply) else self._probe(request) if request.head.probe else next(replies)
            for request in opened
        ]
        return b"".join(bundle.pack([answer.made_by(self._pid, len(real), taken).pack() for answer in answers]))

    def _guarded(self, requests: list[Request]) -> list[Reply]:
        if not requests:
            return []
        ids = [request.head.request_id for request in requests]
        try:
            replies = self._functions.answer(requests)
        except Exception:
            logger.exception(event("bug", ids=",".join(ids)))
            replies = [Reply.failure(BUG, name) for name in ids]
        if device_works():
            return replies
        logger.error(event("device-lost", worker=os.getpid()))
        # After this batch's answers are out.
        threading.Timer(0.2, os._exit, [1]).start()
        # Most of a batch have not lost it, and another worker may answer them.
        return [
            Reply.failure(_DEVICE_LOST, name) if reply.status == BUG.status else reply
            for name, reply in zip(ids, replies, strict=True)
        ]

    def _probe(self, request: Request) -> Reply:
        try:
            self._functions.probe()
        except Exception:
            logger.exception(event("bug", id=request.head.request_id))
            return Reply.failure(BUG, request.head.request_id)
        return Reply(status=200, content_type="text/plain", body=b"")


def _open(head: RequestHead, address: Address) -> Request | Reply:
    """A request with its body, or the reply where that cannot be had."""
    try:
        return Request(head, memory_file.read(address))
    except memory_file.GoneError:
        # Its client has left, or it was too late.
        return Reply.failure(TOO_LATE, head.request_id)
    except OSError:
        logger.exception(event("bug", id=head.request_id))
        return Reply.failure(BUG, head.request_id)


def load(config: ServeConfig, context: Context) -> tuple[Functions, Event]:
    """Load the model, or have the user's code load it.

    Returns:
        What answers requests, and a line that says what was loaded.

    Raises:
        UserError: The model directory or the user's code is at fault.
    """
    gpu_id = context.system_properties.get("gpu_id")
    if config.user_program:
        # Only here, so that the toolkit and what it needs is not loaded for nothing.
        import torch

        from container.serve.device import choose_device
        from container.serve.override import UserCode

        device = choose_device(gpu_id, use_cuda=config.use_cuda)
        return UserCode(config, device, context), event(
            "loaded", program=config.user_program.name, device=device, threads=torch.get_num_threads()
        )
    predictor = Predictor.load(config, gpu_id)
    if config.multi_model:
        # So that what a batch takes is known when the next model asks for memory.
        predictor.probabilities([predictor.blank()] * config.batch_size)
    card, engine = predictor.card, predictor.engine
    return BuiltIn(predictor, config, threads=min(available_cpus(), 8)), event(
        "loaded",
        architecture=card.architecture,
        classes=len(card.classes),
        size=card.preprocessing.size,
        device=engine.device,
        engine=engine.name,
        precision=engine.precision,
        threads=engine.threads,
    )


def _create_predict_response(
    bundles: list[bytes] | None, ids: dict[int, str], message: str, _code: int, context: Context = None
) -> bytearray:
    """In place of multi-model-server's own: see reply_wire.py."""
    if bundles is None:
        # The front answers for all of them.
        logger.error(event("bug", message=message))
        bundles = [b"".join(bundle.pack([]))] * len(ids)
    return reply_wire.encode_batch(bundles, [ids[place] for place in range(len(ids))])


def _await_room(status: WorkerStatus, run_dir: Path, patience_s: float) -> None:
    """Write a worker's first word; multi-model-server has another one started where that took too long."""
    give_up_at = time.monotonic() + patience_s
    waiting = False
    while True:
        try:
            status.write(run_dir)
            return
        except OSError as error:
            if not waiting:
                logger.error(event("worker-waits", worker=status.pid, why=error))
            if not is_full(error) or time.monotonic() > give_up_at:
                os._exit(1)
        waiting = True
        time.sleep(_ROOM_S)


def _end(status: WorkerStatus, run_dir: Path) -> NoReturn:
    replace(status, phase="failed").write(run_dir)
    # Not sys.exit: multi-model-server would log a stack trace of its own.
    os._exit(1)
