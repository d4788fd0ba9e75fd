"""The base class of the built-in rules: parameters from text, findings by tensor, and missing data."""

from abc import abstractmethod
from typing import Any, Generic, TypeVar

from smdebug.rules.rule import Rule

from container.rules.definitions import RULES
from container.rules.finding import RuleFinding
from container.rules.parameters import parse
from container.rules.saved_step import SavedStep

P = TypeVar("P")

WHERE = "debug=true, or a collection of that name in the hook's configuration, saves them"


class BuiltInRule(Rule, Generic[P]):  # type: ignore[misc]  # smdebug has no types
    """An smdebug rule that judges one saved step after the other and keeps its findings.

    Args:
        base_trial: smdebug's trial.
        parameters: Text or values, by SageMaker's names.

    Raises:
        RuleError: A parameter is unknown or wrong.
    """

    def __init__(self, base_trial: Any, **parameters: object) -> None:
        super().__init__(base_trial, action_str="")
        name = type(self).__name__
        self.parameters: P = parse(name, RULES[name].parameters, parameters)
        self.findings: dict[str, RuleFinding] = {}
        """Findings by tensor, or by another key."""
        self._fired = 0
        self.judged = 0
        """The number of tensors or values judged; 0 means insufficient data."""
        self.lacks = f"the trial holds no {RULES[name].reads}; {WHERE}"
        self.note = ""
        """A remark on what the saved data could not show."""

    def invoke_at_step(self, step: int) -> bool:
        """Judge a step, as smdebug calls it; return whether the rule fires."""
        fired = self._fired
        self.judge(SavedStep(self.base_trial, step))
        return self._fired > fired

    @abstractmethod
    def judge(self, step: SavedStep) -> None:
        """Judge a step: call `find` for each thing that is wrong with it."""

    def finish(self) -> None:
        """Judge what is left, after the last step."""

    def find(
        self, step: SavedStep, tensor: str | None, value: float | None, what: str, advice: str, key: str | None = None
    ) -> None:
        """Keep a finding, or count it again.

        Args:
            key: The key to keep it under, if that is not the tensor.
        """
        self._fired += 1
        key = key or tensor or ""
        known = self.findings.get(key)
        if known is not None:
            known.times += 1
            known.last_step, known.last_mode = step.mode_step, step.mode
            return
        self.findings[key] = RuleFinding(
            step=step.mode_step,
            mode=step.mode,
            global_step=step.number,
            tensor=tensor,
            value=value,
            what=what,
            advice=advice,
            last_step=step.mode_step,
            last_mode=step.mode,
        )
