"""The Python that has smdebug, which is never this one: smdebug works beside older packages only."""

import os
from pathlib import Path

import container
from slipway.errors import JobError

VARIABLE = "SLIPWAY_SMDEBUG_PYTHON"

CHECKOUT = Path(container.__file__).parents[1]
_IN_THE_IMAGE = Path("/opt/slipway-smdebug/bin/python")


def smdebug_python() -> Path:
    """What SLIPWAY_SMDEBUG_PYTHON names, the training image's environment, or .venv-smdebug of this checkout.

    Raises:
        JobError: There is none.
    """
    if named := os.environ.get(VARIABLE):
        if Path(named).is_file():
            return Path(named)
        raise JobError(f"{VARIABLE} names {named}, which is no file; name the bin/python of smdebug's environment")
    for python in (_IN_THE_IMAGE, CHECKOUT / ".venv-smdebug" / "bin" / "python"):
        if python.is_file():
            return python
    raise JobError(
        "rules run on the real smdebug, in an environment of its own that is not there. Make it: in a checkout of "
        "Slipway, docker/venv.sh smdebug; elsewhere, with docker/smdebug.lock of one, python3 -m venv smdebug && "
        f"smdebug/bin/pip install -r smdebug.lock, and name it: {VARIABLE}=smdebug/bin/python. The training image has "
        "it: docker run --rm -v DIRECTORY:/trial:ro slipway:train /opt/slipway-smdebug/bin/python -m container.rules "
        "/trial"
    )
