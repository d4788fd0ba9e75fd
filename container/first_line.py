"""The first line of an error that says something."""

import re

# ONNX Runtime begins with a code, and where in its source the error arose.
_PREAMBLE = re.compile(r"(\[ONNXRuntimeError\] : \d+ : \w+ : )?(\S+\.(cc|h):\d+ .+?\) )?")


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text that tells its cause; its type if it has no text."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # OpenVINO begins with where in its source the error arose.
    told = [line for line in lines if not line.startswith(("Exception from", "Check ", "File "))] or lines
    return _PREAMBLE.sub("", told[0], count=1)[:300] if told else type(error).__name__
