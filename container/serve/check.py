"""`serve --check`: whether the model directory can be served, without serving it."""

import logging
import time
import traceback

from mms.context import Context, RequestProcessor

from container.errors import ServeError
from container.serve.checks import check_model_dir
from container.serve.config import BASE_DIR, MULTI_MODEL, ServeConfig
from container.serve.service import load

logger = logging.getLogger(__name__)


def check(config: ServeConfig) -> str:
    """Load the model as a worker would, and make one prediction; not with the user's code, whose input is not known.

    Returns:
        Lines that say what was found.

    Raises:
        UserError: The model cannot be served; the message says why.
    """
    if config.multi_model:
        raise ServeError(
            f"--check looks at one model, and {MULTI_MODEL.names[0]} is true; unset it, and let {BASE_DIR.names[0]} be "
            "the directory that holds model/"
        )
    check_model_dir(config)
    start = time.monotonic()
    context = Context("model", str(config.model_dir), None, config.batch_size, None, "")
    context.request_processor = [RequestProcessor({})]
    try:
        functions, summary = load(config, context)
    except ServeError as error:
        if error.__cause__:
            logger.error("".join(traceback.format_exception(error.__cause__)))
        raise
    loaded = time.monotonic()
    fields = [*summary.split()[1:], f"load_s={loaded - start:.3f}"]
    if not config.user_program:
        functions.probe()
        fields.append(f"predict_s={time.monotonic() - loaded:.3f}")
    return f"serve: {config.model_dir} can be served\n" + "".join(f"  {field}\n" for field in fields)
