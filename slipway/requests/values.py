"""Converts values that describe a part of a request to the form of AWS's API."""

from collections.abc import Mapping
from typing import Any


def api_value(value: Any) -> Any:
    """Return a value in the API's form: a mapping as it is, and objects of either SDK as they would send themselves."""
    for method in ("_to_request_dict", "to_input_req"):  # version 2's classes
        if hasattr(value, method):
            return without_none(getattr(value, method)())
    if hasattr(value, "model_dump"):  # version 3's shapes
        return {_pascal(name): _deep(entry) for name, entry in value.model_dump(exclude_unset=True).items()}
    return value


def _deep(value: Any) -> Any:
    if isinstance(value, Mapping):
        # Keys of the user's own, such as those of HookParameters, are not names of the API.
        return {_pascal(name) if name.islower() and "." not in name else name: _deep(v) for name, v in value.items()}
    return [_deep(item) for item in value] if isinstance(value, list | tuple) else value


def _pascal(name: str) -> str:
    return "".join("GB" if part == "gb" else part.capitalize() for part in name.split("_"))


def without_none(request: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out the members of a request that are None."""
    return {name: value for name, value in request.items() if value is not None}
