"""A client's request for an explanation, read from a request's JSON or from its headers."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Self, get_args

from container.serve.protocol.replies import RequestError

MAX_EXPLAINED = 32
"""Most pictures of one request that are explained."""

LARGEST = 1024
"""Longer side of an explanation's PNG, pixels."""

View = Literal["overlay", "map"]


@dataclass(frozen=True, kw_only=True)
class ExplainRequest:
    """How one picture is to be explained."""

    label: str | None = None
    """The class to explain; if `index` is None as well, the most probable one."""
    index: int | None = None
    """The class to explain, by its index in the network's output."""
    view: View = "overlay"
    """`overlay`: the heat map over the picture. `map`: the heat map alone, 8-bit grey, 255 the strongest."""
    size: int = 512
    """Longer side of the PNG, pixels; a smaller picture keeps its own."""

    @classmethod
    def from_json(cls, value: object, where: str) -> Self | None:
        """Read `true`, `false` or an object with any of the fields above.

        Args:
            value: The value in the request.
            where: Its name for errors.

        Raises:
            RequestError: 400, it is something else.
        """
        if isinstance(value, bool):
            return cls() if value else None
        if not isinstance(value, dict):
            raise RequestError(
                400, f'{where} is true, false or an object such as {{"label": "dog", "view": "map", "size": 512}}'
            )
        for name in value:
            if name not in cls.__dataclass_fields__:
                known = ", ".join(cls.__dataclass_fields__)
                raise RequestError(400, f"{where} has no field {str(name)[:100]!r}; it may have {known}")
        label, index = value.get("label"), value.get("index")
        if label is not None and not isinstance(label, str):
            raise RequestError(400, f"{where}.label is not a class name")
        if index is not None:
            index = _whole(index)
            if index is None:
                raise RequestError(400, f"{where}.index is not a whole number")
        if label is not None and index is not None:
            raise RequestError(400, f"{where} names both a label and an index; one of them is enough")
        size = _whole(value.get("size", cls.size))
        if size is None or not 1 <= size <= LARGEST:
            raise RequestError(400, f"{where}.size is not a whole number from 1 to {LARGEST}")
        return cls(label=label, index=index, view=_view(value.get("view", cls.view), f"{where}.view"), size=size)

    @classmethod
    def from_text(cls, text: str) -> Self | None:
        """Read the value in a header: `true`, `false`, `overlay` or `map`, in lower case.

        Raises:
            RequestError: 400, it is something else.
        """
        if text in ("true", "false"):
            return cls() if text == "true" else None
        return cls(view=_view(text, "explain"))

    def class_index(self, classes: Sequence[str]) -> int | None:
        """The index of the class to explain; None for the most probable one.

        Raises:
            RequestError: 400, there is no such class.
        """
        if self.index is not None and not 0 <= self.index < len(classes):
            raise RequestError(400, f"explain: there is no class {self.index}; they go from 0 to {len(classes) - 1}")
        if self.label is None:
            return self.index
        if self.label not in classes:
            near = difflib.get_close_matches(self.label, classes, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"the first of them is {classes[0]!r}"
            raise RequestError(400, f"explain: the model has no class {self.label[:100]!r}; {hint}")
        return classes.index(self.label)


def _whole(value: object) -> int | None:
    """A whole number, also one written as 3.0, as some JSON clients do; None for anything else."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _view(value: object, where: str) -> View:
    for known in get_args(View):
        if value == known:
            view: View = known
            return view
    also = "true, false, " if where == "explain" else ""
    raise RequestError(400, f"{where} is {str(value)[:100]!r}; it is {also}{' or '.join(get_args(View))}")
