"""Finds the Python that has smdebug: never this one, since smdebug needs older packages."""

import os
from pathlib import Path

import container
from slipway.errors import JobError

VARIABLE = "SLIPWAY_SMDEBUG_PYTHON"

CHECKOUT = Path(container.__file__).parents[1]
_IN_THE_IMAGE = Path("/opt/slipway-smdebug/bin/python")


def smdebug_python() -> Path:
    """Find Python with smdebug: SLIPWAY_SMDEBUG_PYTHON, the training image's, or .venv-smdebug of this checkout.

    Raises:
        JobError: There is no such environment.
    """
    if named := os.environ.get(VARIABLE):
        if Path(named).is_file():
            return Path(named)
        raise JobError(
            f"{VARIABLE} names {named}, which is not a file; set it to the bin/python of smdebug's environment"
        )
    for python in (_IN_THE_IMAGE, CHECKOUT / ".venv-smdebug" / "bin" / "python"):
        if python.is_file():
            return python
    raise JobError(
        "rules run on the real smdebug, in an environment of its own that is not there. Make it: in a checkout of "
        "Slipway, docker/venv.sh smdebug; elsewhere, with docker/smdebug.lock of one, python3 -m venv smdebug && "
        "smdebug/bin/pip install -r smdebug.lock (with Python 3.13, CFLAGS=-DPyEval_CallObject=PyObject_CallObject "
        f"before it), and name it: {VARIABLE}=smdebug/bin/python. The training image has "
        "it: docker run --rm -v DIRECTORY:/trial:ro slipway:train /opt/slipway-smdebug/bin/python -m container.rules "
        "/trial"
    )
