"""Imports OpenVINO without its converter of other formats, which takes two fifths of the time.

Import `openvino` from here, or after this module.
"""

import sys
from typing import Any

from container.graph.quiet import send_nothing

__all__ = ["openvino"]

_CONVERTER = "openvino.tools.ovc"


def _convert_model(*arguments: Any, **options: Any) -> Any:
    """Stand in for `openvino.convert_model` until it is called, as a model's own inference.py may."""
    from openvino.tools.ovc import convert_model

    openvino.convert_model = convert_model
    return convert_model(*arguments, **options)


send_nothing()
if "openvino" in sys.modules:
    import openvino
else:
    # OpenVINO can do without the converter, and passes over an import that fails.
    sys.modules[_CONVERTER] = None  # type: ignore[assignment]
    try:
        import openvino
    finally:
        del sys.modules[_CONVERTER]
    openvino.convert_model = _convert_model
