"""The entry point of multi-model-server into a worker: loads the model, then answers batches of requests.

multi-model-server forks a worker and calls `handle(None, context)` once, then `handle(batch, context)` for every
batch, in the format of mms/service.py.
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

from container.contract.errors import ServeError, UserError
from container.full_disk import is_disk_full
from container.imports import uncollected
from container.out_of_memory import is_out_of_memory
from container.serve.protocol import memory_file, reply_wire
from container.serve.protocol.batch import pack_batch
from container.serve.protocol.memory_file import Address
from container.serve.protocol.replies import BUG, TOO_LATE, Reply, Request, RequestError, RequestHead
from container.serve.protocol.state import MODEL_DIR_FILE, WorkerStatus
from container.serve.settings import logs
from container.serve.settings.config import ServeConfig
from container.serve.settings.logs import Event, event
from container.serve.worker.builtin import BuiltIn
from container.serve.worker.loaded_torch import device_works, require_torch
from container.serve.worker.predictor import Predictor

logger = logging.getLogger(__name__)

Batch = Sequence[Mapping[str, Any]]

_DEVICE_LOST = RequestError(503, "the GPU failed during this request; try again")

_FULL_DISK_RETRY_S = 0.5


class Functions(Protocol):
    """Answers requests, by the built-in functions or the user's."""

    def probe(self) -> None:
        """Show that the model works."""

    def answer(self, requests: Sequence[Request]) -> list[Reply]:
        """Return one reply per request, in order; never raises."""


_worker: "Worker | None" = None


def handle(batch: Batch | None, context: Context) -> list[bytes] | None:
    """Answer a batch; the first call loads the model. It never raises: that would end the worker and its requests."""
    global _worker
    if batch is None or _worker is None:
        _worker = Worker(context)
        return None
    return _worker.answer(batch)


class Worker:
    """A worker process with its copy of the model."""

    def __init__(self, context: Context) -> None:
        run_dir = Path(context.system_properties["model_dir"])
        self._config = ServeConfig.from_environment(model_dir=Path((run_dir / MODEL_DIR_FILE).read_text()))
        self._pid = os.getpid()
        logs.configure(self._config.log_level, sys.stderr, self._config.log_format)
        # It logs a line per metric and request.
        logging.getLogger("mms.service").setLevel(logging.ERROR)
        mms.service.create_predict_response = _create_predict_response
        status = WorkerStatus(pid=os.getpid(), server_pid=os.getppid(), phase="loading")
        _write_first_status(status, run_dir, self._config.deadline_s)
        try:
            self._functions, loaded = load(self._config, context)
        except UserError as error:
            cause = error.__cause__
            trace = "".join(traceback.format_exception(cause)) if cause and isinstance(error, ServeError) else ""
            _fail(replace(status, message=str(error), trace=trace, out_of_memory=is_out_of_memory(cause)), run_dir)
        except Exception as error:  # noqa: BLE001 - the edge of the process; the supervisor logs it
            message = f"the model cannot be loaded: {type(error).__name__}: {error}"
            trace = traceback.format_exc()
            _fail(replace(status, message=message, trace=trace, out_of_memory=is_out_of_memory(error)), run_dir)
        replace(status, phase="loaded", facts=loaded.fields).write(run_dir)

    def answer(self, batch: Batch) -> list[bytes]:
        """Answer batches of requests, each by a batch of replies (see protocol/batch.py)."""
        # A worker that hangs logs its stack and exits; multi-model-server would only abandon it.
        faulthandler.dump_traceback_later(self._config.deadline_s, exit=True)
        try:
            return self._answer(batch)
        finally:
            faulthandler.cancel_dump_traceback_later()

    def _answer(self, batch: Batch) -> list[bytes]:
        # The front forms the batches: what is one request for multi-model-server is a batch of them.
        return [self._answer_batch(item["body"]) for item in batch]

    def _answer_batch(self, message: bytearray) -> bytes:
        taken = time.monotonic()
        opened = [_open(head, address) for head, address in RequestHead.unpack_all(message)]
        real = [request for request in opened if isinstance(request, Request) and not request.head.probe]
        replies = iter(self._guarded(real))
        answers = [
            request if isinstance(request, Reply) else self._probe(request) if request.head.probe else next(replies)
            for request in opened
        ]
        return b"".join(pack_batch([answer.made_by(self._pid, len(real), taken).pack() for answer in answers]))

    def _guarded(self, requests: list[Request]) -> list[Reply]:
        if not requests:
            return []
        ids = [request.head.request_id for request in requests]
        try:
            replies = self._functions.answer(requests)
        except Exception:
            logger.exception(event("bug", ids=",".join(ids)))
            replies = [Reply.failure(BUG, name) for name in ids]
        if self._device_works():
            return replies
        # Most requests of the batch did not break the device, and another worker can answer them.
        return [
            Reply.failure(_DEVICE_LOST, name) if reply.status == BUG.status else reply
            for name, reply in zip(ids, replies, strict=True)
        ]

    def _device_works(self) -> bool:
        """Whether the device works; if not, this worker exits soon and is replaced."""
        if device_works():
            return True
        logger.error(event("device-lost", worker=os.getpid()))
        # Once this batch's answers are sent.
        threading.Timer(0.2, os._exit, [1]).start()
        return False

    def _probe(self, request: Request) -> Reply:
        try:
            self._functions.probe()
        except Exception:
            logger.exception(event("bug", id=request.head.request_id))
            self._device_works()
            return Reply.failure(BUG, request.head.request_id)
        return Reply(status=200, content_type="text/plain", body=b"")


def _open(head: RequestHead, address: Address) -> Request | Reply:
    """Read a request's body; a reply if that fails."""
    try:
        return Request(head, memory_file.read(address))
    except memory_file.GoneError:
        # The client has left, or the deadline has passed.
        return Reply.failure(TOO_LATE, head.request_id)
    except OSError:
        logger.exception(event("bug", id=head.request_id))
        return Reply.failure(BUG, head.request_id)


def load(config: ServeConfig, context: Context) -> tuple[Functions, Event]:
    """Load the model, or let the user's code load it.

    Returns:
        The functions that answer requests, and a log line that says what was loaded.

    Raises:
        UserError: The model directory or the user's code is at fault.
    """
    gpu_id = context.system_properties.get("gpu_id")
    if program := config.user_program or config.torchscript:
        require_torch(
            f"{program.name}, the model's own code," if config.user_program else f"{program.name} (TorchScript)"
        )
        # Only here: the built-in functions need neither torch nor the toolkit.
        with uncollected():
            import torch

            from container.serve.worker.device import choose_device
            from container.serve.worker.user_code import UserCode

        device = choose_device(gpu_id, use_cuda=config.use_cuda)
        return UserCode(config, device, context), event(
            "loaded", program=program.name, device=device, threads=torch.get_num_threads()
        )
    predictor = Predictor.load(config, gpu_id)
    if config.multi_model:
        # A full batch shows how much memory the model needs, before the next model asks for some.
        predictor.probabilities([predictor.blank()] * config.batch_size)
    card, engine = predictor.card, predictor.engine
    return BuiltIn(predictor, config), event(
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
    batches: list[bytes] | None, ids: dict[int, str], message: str, _code: int, context: Context = None
) -> bytearray:
    """Replace multi-model-server's function of this name (see reply_wire.py)."""
    if batches is None:
        # The front answers for all of them.
        logger.error(event("bug", message=message))
        batches = [b"".join(pack_batch([]))] * len(ids)
    return reply_wire.encode_batch(batches, [ids[place] for place in range(len(ids))])


def _write_first_status(status: WorkerStatus, run_dir: Path, patience_s: float) -> None:
    """Write the first status, waiting while the disk is full; after `patience_s` this worker exits and is replaced."""
    give_up_at = time.monotonic() + patience_s
    waiting = False
    while True:
        try:
            status.write(run_dir)
            return
        except OSError as error:
            if not waiting:
                logger.error(event("worker-waits", worker=status.pid, why=error))
            if not is_disk_full(error) or time.monotonic() > give_up_at:
                os._exit(1)
        waiting = True
        time.sleep(_FULL_DISK_RETRY_S)


def _fail(status: WorkerStatus, run_dir: Path) -> NoReturn:
    replace(status, phase="failed").write(run_dir)
    # Not sys.exit: multi-model-server would log a stack trace of its own.
    os._exit(1)
