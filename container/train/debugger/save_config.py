"""The steps at which a collection is saved."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from container.contract.errors import DebuggerError
from container.contract.fields import Field
from container.train.debugger.modes import ModeKeys


def whole_number(name: str, value: object, *, low: int = 0) -> int:
    """Read a whole number that a configuration may hold as text.

    Raises:
        DebuggerError: It is not a whole number, or below `low`.
    """
    return Field(int, low).read(value, name, DebuggerError, given=value)


@dataclass(kw_only=True)
class SaveConfigMode:
    """The steps of one mode: those in `save_steps`, and every `save_interval`th from `start_step` to before `end_step`.

    Source of names and defaults: smdebug 1.0.34's SaveConfigMode.
    """

    save_interval: int = 500
    start_step: int = 0
    end_step: int | None = None
    save_steps: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.save_interval = whole_number("save_interval", self.save_interval, low=1)
        self.start_step = whole_number("start_step", self.start_step or 0)
        self.end_step = None if self.end_step is None else whole_number("end_step", self.end_step)
        self.save_steps = [whole_number("save_steps", step) for step in self.save_steps or []]

    def should_save_step(self, step: int) -> bool:
        """Whether this step of the mode is saved."""
        if step in self.save_steps:
            return True
        inside = step >= self.start_step and (self.end_step is None or step < self.end_step)
        return inside and step % self.save_interval == 0

    def to_json_dict(self) -> dict[str, Any]:
        return {
            "save_interval": self.save_interval,
            "save_steps": self.save_steps,
            "start_step": self.start_step,
            "end_step": self.end_step,
        }


class SaveConfig:
    """A `SaveConfigMode` for each mode; without `mode_save_configs` the other arguments apply to all modes."""

    def __init__(
        self,
        mode_save_configs: Mapping[ModeKeys, SaveConfigMode | None] | None = None,
        save_interval: int | None = None,
        start_step: int | None = None,
        end_step: int | None = None,
        save_steps: list[int] | None = None,
    ) -> None:
        given = {
            "save_interval": save_interval,
            "start_step": start_step,
            "end_step": end_step,
            "save_steps": save_steps,
        }
        one = {name: value for name, value in given.items() if value is not None}
        self.mode_save_configs: dict[ModeKeys, SaveConfigMode | None] = {
            mode: SaveConfigMode(**one) if mode_save_configs is None else mode_save_configs.get(mode)  # type: ignore[arg-type]
            for mode in ModeKeys
        }

    @classmethod
    def parse(cls, value: object) -> Self:
        """Read any form that smdebug takes.

        Raises:
            DebuggerError: The value has another form.
        """
        if value is None:
            return cls()
        if isinstance(value, cls):
            return value
        if isinstance(value, SaveConfigMode):
            return cls(dict.fromkeys(ModeKeys, value))
        if isinstance(value, Mapping):
            return cls(
                {mode: SaveConfigMode(**one) if isinstance(one, Mapping) else one for mode, one in value.items()}
            )
        raise DebuggerError(
            f"save_config is {value!r}; it must be a SaveConfig, a SaveConfigMode, or one for each mode"
        )

    def complete(self, default: "SaveConfig") -> None:
        """Fill in the default for each mode that has none."""
        for mode, one in self.mode_save_configs.items():
            if one is None:
                self.mode_save_configs[mode] = default.mode_save_configs[mode] or SaveConfigMode()

    def get_save_config(self, mode: ModeKeys) -> SaveConfigMode:
        return self.mode_save_configs[mode] or SaveConfigMode()

    def should_save_step(self, mode: ModeKeys, step: int) -> bool:
        """Whether this step of the mode is saved."""
        return self.get_save_config(mode).should_save_step(step)

    def to_json_dict(self) -> dict[str, Any]:
        return {mode.name: one.to_json_dict() if one else None for mode, one in self.mode_save_configs.items()}
