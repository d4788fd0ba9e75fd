"""What the built-in rules have in common: parameters from text, findings by tensor, and what they lack."""

from abc import abstractmethod
from typing import Any, Generic, TypeVar

from smdebug.rules.rule import Rule

from container.rules.definitions import RULES
from container.rules.finding import Finding
from container.rules.parameters import parse
from container.rules.saved_step import SavedStep

P = TypeVar("P")

WHERE = "debug=true, or a collection of that name in the hook's configuration, saves them"


class BuiltInRule(Rule, Generic[P]):  # type: ignore[misc]  # smdebug has no types
    """A rule of smdebug's that judges one saved step after the other and keeps what it finds.

    Args:
        base_trial: smdebug's trial.
        parameters: By SageMaker's names, as text or values.

    Raises:
        RuleError: A parameter is unknown or wrong.
    """

    def __init__(self, base_trial: Any, **parameters: object) -> None:
        super().__init__(base_trial, action_str="")
        name = type(self).__name__
        self.parameters: P = parse(name, RULES[name].parameters, parameters)
        self.findings: dict[str, Finding] = {}
        """By tensor, or by what else was found faulty."""
        self._fired = 0
        self.judged = 0
        """How many tensors or values; none is too little data."""
        self.lacks = f"the trial holds no {RULES[name].reads}; {WHERE}"
        self.note = ""
        """What could not be seen in the data that there is."""

    def invoke_at_step(self, step: int) -> bool:
        """smdebug's entry: whether the rule fires at this step."""
        fired = self._fired
        self.judge(SavedStep(self.base_trial, step))
        return self._fired > fired

    @abstractmethod
    def judge(self, step: SavedStep) -> None:
        """Look at a step; `find` what is wrong with it."""

    def finish(self) -> None:
        """After the last step."""

    def find(
        self, step: SavedStep, tensor: str | None, value: float | None, what: str, advice: str, key: str | None = None
    ) -> None:
        """Keep a finding, or that it was there again.

        Args:
            key: Under which it is kept, where that is not the tensor.
        """
        self._fired += 1
        key = key or tensor or ""
        known = self.findings.get(key)
        if known is not None:
            known.times += 1
            known.last_step, known.last_mode = step.mode_step, step.mode
            return
        self.findings[key] = Finding(
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
