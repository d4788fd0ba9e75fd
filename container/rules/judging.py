"""The run of rules over a trial, each through smdebug's own invoker."""

import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, is_dataclass
from typing import Any

from smdebug.exceptions import NoMoreData, RuleEvaluationConditionMet
from smdebug.rules.rule_invoker import invoke_rule

from container.rules.built_in import BuiltInRule
from container.rules.finding import Judgement, RuleEvaluation, RuleFinding, Status
from container.rules.snapshot import Say, freeze, has_ended

_POLL_S = 1.0
_SILENCE_S = 60.0

Found = Callable[[str, RuleFinding], None]


class RuleRun:
    """The run of one rule, with its findings and its error.

    Args:
        name: The name that it is reported under.
        rule: smdebug's Rule; None if it could not be made.
        parameters: Those of a user's own rule.
        error: Why it could not be made.
    """

    def __init__(self, name: str, rule: Any, parameters: dict[str, Any], error: str = "") -> None:
        self.name, self.rule, self.error = name, rule, error
        built_in = isinstance(rule, BuiltInRule) and is_dataclass(rule.parameters)
        self.parameters = asdict(rule.parameters) if built_in else parameters
        self._own: dict[str, RuleFinding] = {}
        self._reported: set[str] = set()

    @property
    def findings(self) -> dict[str, RuleFinding]:
        return self.rule.findings if isinstance(self.rule, BuiltInRule) else self._own

    def at(self, trial: Any, step: int) -> None:
        """Invoke the rule at a step."""
        if self.error:
            return
        try:
            invoke_rule(self.rule, step, step + 1, raise_eval_cond=True)
        except RuleEvaluationConditionMet:
            self._fired(trial, step)
        except NoMoreData:
            pass
        except Exception as error:  # noqa: BLE001 - it may be the user's rule, and the others must run
            self._fail(error, step)

    def end(self) -> None:
        """Tell a built-in rule that there are no more steps."""
        if isinstance(self.rule, BuiltInRule) and not self.error:
            self.rule.finish()

    def news(self) -> Iterator[RuleFinding]:
        """Yield the findings that are new since the last call."""
        for key, finding in self.findings.items():
            if key not in self._reported:
                self._reported.add(key)
                yield finding

    def result(self) -> RuleEvaluation:
        findings = list(self.findings.values())
        message = self.error
        status = Status.NO_ISSUES_FOUND
        if findings:
            status = Status.ISSUES_FOUND
        elif self.error:
            status = Status.ERROR
        elif isinstance(self.rule, BuiltInRule):
            message = self.rule.note
            if not self.rule.judged:
                status = Status.INSUFFICIENT_DATA
                message = message or self.rule.lacks
        return RuleEvaluation(
            rule=self.name, parameters=self.parameters, status=status, findings=findings, message=message
        )

    def _fired(self, trial: Any, step: int) -> None:
        if isinstance(self.rule, BuiltInRule):
            return
        mode, mode_step = trial.mode_modestep(step)
        known = self._own.setdefault(
            "",
            RuleFinding(
                step=mode_step,
                mode=mode.name,
                global_step=step,
                tensor=None,
                value=None,
                what=f"{self.name} fired",
                advice="",
                times=0,
            ),
        )
        known.times += 1
        known.last_step, known.last_mode = mode_step, mode.name

    def _fail(self, error: Exception, step: int) -> None:
        own = isinstance(self.rule, BuiltInRule)
        frame = traceback.extract_tb(error.__traceback__)[-1]
        where = "" if own else f" ({frame.filename}, line {frame.lineno})"
        self.error = f"the rule failed at step {step}: {type(error).__name__}: {error}{where}"


def judge(
    trial: Any,
    runs: Sequence[RuleRun],
    *,
    start_step: int,
    end_step: int | None,
    follow: bool,
    found: Found,
    say: Say,
) -> Judgement:
    """Run rules over the steps of a trial.

    Args:
        trial: From `open_trial`.
        runs: The rules.
        start_step, end_step: Steps, counted over all modes; the end is exclusive.
        follow: Continue until training has ended, or Ctrl-C.
        found: Called with a rule's name and each finding, as they come.
        say: Called with a line about what is waited for.
    """
    steps = 0
    try:
        for step in _coming(trial, start_step, end_step, say) if follow else _saved(trial, start_step, end_step):
            steps += 1
            for run in runs:
                run.at(trial, step)
                for finding in run.news():
                    found(run.name, finding)
    except KeyboardInterrupt:
        if not follow:
            raise
        freeze(trial)
    for run in runs:
        run.end()
        for finding in run.news():
            found(run.name, finding)
    return Judgement(
        trial=str(trial.path).rstrip("/"),
        steps=steps,
        ended=has_ended(trial),
        results=[run.result() for run in runs],
        notes=_notes(trial),
    )


def _saved(trial: Any, start: int, end: int | None) -> list[int]:
    return [step for step in trial.steps() if step >= start and (end is None or step < end)]


def _coming(trial: Any, start: int, end: int | None, say: Say) -> Iterator[int]:
    """Yield steps as training writes them; smdebug's invoker waits too, but says nothing when a job is gone."""
    since, silent = time.monotonic(), False
    while True:
        trial.dynamic_refresh = True
        for step in _saved(trial, start, end):
            yield step
            start, since, silent = step + 1, time.monotonic(), False
        latest = max(trial.steps(), default=-1)
        if (latest < start and trial.loaded_all_steps) or (end is not None and latest + 1 >= end):
            return
        if not silent and time.monotonic() - since > _SILENCE_S:
            silent = True
            say(
                f"no step after {latest} for {_SILENCE_S:.0f} s, and nothing says that training has ended; if the job "
                "is gone, Ctrl-C ends with what was found"
            )
        time.sleep(_POLL_S)


def _notes(trial: Any) -> list[str]:
    damaged = sorted(trial.damaged)
    if not damaged:
        return []
    names = ", ".join(damaged[:3]) + (f" and {len(damaged) - 3} more" if len(damaged) > 3 else "")
    return [f"files that are damaged or missing were skipped: {names}"]
