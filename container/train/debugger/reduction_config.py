"""The reductions that are saved of a tensor, instead of it or beside it."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

from container.contract.errors import DebuggerError
from container.contract.fields import Field

REDUCTIONS = ("min", "max", "mean", "std", "variance", "sum", "prod")
NORMS = ("l1", "l2")


class ReductionConfig:
    """smdebug's ReductionConfig: reductions and norms of the values, and of the absolute values.

    Raises:
        DebuggerError: smdebug does not know a name.
    """

    def __init__(
        self,
        reductions: Sequence[str] | None = None,
        abs_reductions: Sequence[str] | None = None,
        norms: Sequence[str] | None = None,
        abs_norms: Sequence[str] | None = None,
        save_raw_tensor: bool = False,
        save_shape: bool = False,
    ) -> None:
        self.reductions, self.abs_reductions = list(reductions or ()), list(abs_reductions or ())
        self.norms, self.abs_norms = list(norms or ()), list(abs_norms or ())
        self.save_raw_tensor, self.save_shape = save_raw_tensor, save_shape
        for names, known in (
            (self.reductions + self.abs_reductions, REDUCTIONS),
            (self.norms + self.abs_norms, NORMS),
        ):
            for name in names:
                if name not in known:
                    raise DebuggerError(
                        f"the debugger knows no reduction {name}; there are {', '.join(REDUCTIONS)}, "
                        "l1_norm, l2_norm, and each of them with the prefix abs_"
                    )

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Self:
        """Read a configuration's parameters, such as `{"reductions": "min,abs_mean,l2_norm"}`."""
        sorted_out: dict[str, list[str]] = {"reductions": [], "abs_reductions": [], "norms": [], "abs_norms": []}
        for name in filter(None, (part.strip() for part in str(fields.get("reductions", "")).split(","))):
            bare = name.removeprefix("abs_")
            kind = "norms" if bare.endswith("_norm") else "reductions"
            sorted_out["abs_" * (bare != name) + kind].append(bare.removesuffix("_norm"))
        return cls(
            **sorted_out,
            save_raw_tensor=flag("save_raw_tensor", fields.get("save_raw_tensor", False)),
            save_shape=flag("save_shape", fields.get("save_shape", False)),
        )

    def names(self) -> list[tuple[str, bool]]:
        """Return (reduction, of absolute values) pairs, in smdebug's order."""
        plain = [(name, False) for name in self.reductions + self.norms]
        return plain + [(name, True) for name in self.abs_reductions + self.abs_norms]

    def to_json_dict(self) -> dict[str, Any]:
        names = [*self.reductions, *(f"{name}_norm" for name in self.norms)]
        names += [*(f"abs_{name}" for name in self.abs_reductions), *(f"abs_{name}_norm" for name in self.abs_norms)]
        return {"save_raw_tensor": self.save_raw_tensor, "reductions": ",".join(names), "save_shape": self.save_shape}


def flag(name: str, value: object) -> bool:
    """Read true or false from a configuration.

    Raises:
        DebuggerError: It is neither.
    """
    return Field(bool).read(value, name, DebuggerError, given=value)
