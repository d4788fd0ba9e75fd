"""`serve --check`: loads the model and makes one prediction, without serving."""

import logging
import sys
import tempfile
import time
import traceback
from pathlib import Path

from mms.context import Context, RequestProcessor

from container.contract.errors import ServeError
from container.serve.settings.config import ServeConfig
from container.serve.settings.variables import BASE_DIR, MULTI_MODEL
from container.serve.supervisor import requirements
from container.serve.supervisor.checks import check_model_dir
from container.serve.worker.service import load

logger = logging.getLogger(__name__)


def check(config: ServeConfig) -> str:
    """Load the model as a worker would, and make one prediction unless it has user code, whose input is unknown.

    Returns:
        A report of several lines.

    Raises:
        UserError: The model cannot be served.
    """
    if config.multi_model:
        raise ServeError(
            f"--check checks a single model, but {MULTI_MODEL.names[0]} is true; unset it, and set {BASE_DIR.names[0]} "
            "to the directory that holds model/"
        )
    check_model_dir(config)
    with tempfile.TemporaryDirectory(prefix="slipway-") as temporary:
        if packages := requirements.install(config, Path(temporary, "packages")):
            sys.path.insert(0, str(packages))
        return _check(config)


def _check(config: ServeConfig) -> str:
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
    if not config.own_code:
        functions.probe()
        fields.append(f"predict_s={time.monotonic() - loaded:.3f}")
    return f"serve: {config.model_dir} can be served\n" + "".join(f"  {field}\n" for field in fields)
