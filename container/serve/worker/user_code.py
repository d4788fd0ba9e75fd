"""Runs a user's code/inference.py, or a bare TorchScript archive, in sagemaker-inference's Transformer.

The Transformer takes all items of a batch for one request of one type, and turns every exception into a 500 with a
stack trace. So it gets one item at a time, with that item's own headers and status.
"""

import json
import logging
import os
import sys
import time
import traceback
from collections.abc import Sequence
from typing import Any

import torch
from mms.context import Context, RequestProcessor
from sagemaker_inference import content_types
from sagemaker_inference.errors import BaseInferenceToolkitError, UnsupportedFormatError
from sagemaker_inference.transformer import Transformer

from container.contract.errors import PictureError, ServeError, UserError
from container.out_of_memory import is_out_of_memory
from container.serve.protocol.replies import ATTRIBUTES_HEADER, BUG, NO_MEMORY, TOO_LATE, Reply, Request, RequestError
from container.serve.settings import variables
from container.serve.settings.config import ServeConfig
from container.serve.settings.logs import event
from container.serve.settings.unused_code import unused_code
from container.serve.worker.default_functions import DefaultFunctions
from container.serve.worker.loaded_torch import free_memory_after

logger = logging.getLogger(__name__)

# The Transformer would parse these itself, more strictly than ServeConfig, without needing them.
_NOT_FOR_TOOLKIT = (*variables.DEADLINE.names, *variables.STARTUP_TIMEOUT.names)

_FUNCTIONS = ("model_fn", "input_fn", "predict_fn", "output_fn", "transform_fn")
_OUTPUT_FUNCTIONS = ("output_fn", "default_output_fn")

_NO_OPEN_INFERENCE = RequestError(
    400,
    "this model runs code of its own (inference.py or TorchScript), which the Open Inference Protocol does not reach; "
    "send requests to /invocations, or with many models to /models/NAME/invoke",
)


class UserCode:
    """The user's functions, with ours for those that are missing."""

    def __init__(self, config: ServeConfig, device: torch.device, context: Context) -> None:
        """Import the script, if there is one, and call its `model_fn`.

        Args:
            config: Names the script in `user_program`, which `torchscript` makes optional.
            device: Where the default functions put the model.
            context: multi-model-server's context of this worker, passed to functions that take a context.

        Raises:
            ServeError: The script cannot be imported, or one of its functions raised the error's `__cause__`.
            ArtifactError: The default `model_fn` cannot load the model directory.
        """
        if not config.own_code:
            raise ValueError("the model has no code of its own")
        self._context = context
        self._defaults = DefaultFunctions(config, device)
        self._error: BaseException | None = None
        self._transformer = Transformer(self._defaults)
        # The original answers with a stack trace. It is called while the exception is being handled.
        self._transformer.handle_error = self._note_error
        for name in _NOT_FOR_TOOLKIT:
            os.environ.pop(name, None)
        program = config.user_program
        os.environ[variables.ACCEPT.names[0]] = config.default_accept
        if program:
            os.environ[variables.PROGRAM.names[0]] = program.name
            sys.path[:0] = dict.fromkeys([str(program.parent), str(config.model_dir / "code")])
        context.system_properties["model_dir"] = str(config.model_dir)
        try:
            self._transformer.validate_and_initialize(str(config.model_dir), context)
        except UserError:
            raise
        except (Exception, SystemExit) as error:
            hint = ""
            if isinstance(error, ModuleNotFoundError) and config.requirements and not config.install_requirements:
                hint = f"; code/requirements.txt is installed only with {variables.INSTALL_REQUIREMENTS.names[0]}=true"
            reason = f"{type(error).__name__}: {error}".rstrip(": ")
            raise ServeError(f"{program.name if program else 'the model'} failed: {reason}{hint}") from error
        if program and not any(hasattr(sys.modules.get(program.stem), name) for name in _FUNCTIONS):
            logger.warning(unused_code([program], f"it defines none of {', '.join(_FUNCTIONS)}"))

    def probe(self) -> None:
        """Do nothing: which input the user's functions take is unknown."""

    def answer(self, requests: Sequence[Request]) -> list[Reply]:
        """Answer every request on its own, in order."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: Request) -> Reply:
        head = request.head
        if time.monotonic() > head.deadline:
            return Reply.failure(TOO_LATE, head.request_id)
        if head.open_inference:
            return Reply.failure(_NO_OPEN_INFERENCE, head.request_id)
        if head.content_type in content_types.UTF8_TYPES and not _is_utf8(request.body):
            return Reply.error(400, "the body is not UTF-8", head.request_id)
        headers = {"Content-Type": head.content_type, "Accept": head.accept, ATTRIBUTES_HEADER: head.attributes}
        self._defaults.content_type, self._defaults.accept = head.content_type, head.accept
        self._defaults.attributes = head.attributes
        self._context.request_ids = {0: head.request_id}
        self._context.request_processor = [
            RequestProcessor({name: value for name, value in headers.items() if value is not None})
        ]
        self._defaults.many = self._defaults.numeric = False
        self._error = None
        [result] = self._transformer.transform([{"body": request.body}], self._context)
        if self._error is not None:
            return self._failure(self._error, head.request_id)
        try:
            body = _to_bytes(result)
        except (TypeError, ValueError):
            logger.exception(event("user-code", id=head.request_id))
            return Reply.failure(BUG, head.request_id)
        status, _ = self._context.get_response_status(0)
        content_type = self._context.get_response_content_type(0)
        return Reply(status=status, content_type=str(content_type or "application/json"), body=body)

    def _note_error(self, _context: Any, _wrapped: Any, _trace: str) -> list[str]:
        self._error = sys.exc_info()[1]
        return [""]

    def _failure(self, error: BaseException, request_id: str) -> Reply:
        if isinstance(error, RequestError):
            return Reply.failure(error, request_id)
        if isinstance(error, PictureError):
            return Reply.error(422, str(error), request_id)
        if isinstance(error, UnsupportedFormatError):
            frames = [frame.f_code.co_name for frame, _ in traceback.walk_tb(error.__traceback__)]
            if any(name in _OUTPUT_FUNCTIONS for name in frames):
                return Reply.error(406, "the model's code does not support the type that Accept asks for", request_id)
            return Reply.error(415, "the model's code does not support this content type", request_id)
        if isinstance(error, BaseInferenceToolkitError) and 400 <= int(error.status_code) <= 599:
            return Reply.error(int(error.status_code), str(error.message), request_id)
        if is_out_of_memory(error):
            logger.error(event("out-of-memory", id=request_id), exc_info=error)
            free_memory_after(error)
            return Reply.failure(NO_MEMORY, request_id)
        logger.error(event("user-code", id=request_id), exc_info=error)
        return Reply.error(500, "the model's own code failed on this request; the log says more", request_id)


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _to_bytes(result: object) -> bytes:
    """Encode a result as multi-model-server does."""
    if isinstance(result, (bytes, bytearray)):
        return bytes(result)
    if isinstance(result, str):
        return result.encode()
    return json.dumps(result, indent=2).encode()
