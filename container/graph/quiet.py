"""Keeps OpenVINO and NNCF from sending usage data, which they do unless each machine's user opts out."""

import os
import sys


def send_nothing() -> None:
    """Hide the package that sends it; both then use their own stand-ins. Call this before importing either."""
    if "openvino_telemetry" not in sys.modules:
        sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # makes its import fail
    os.environ["NNCF_CI"] = "1"
