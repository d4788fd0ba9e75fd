"""What a check found, and running checks side by side, each with a time limit."""

import queue
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from container.contract.errors import UserError
from slipway.errors import DeniedError, UnreachableError

Status = Literal["ok", "absent", "unknown", "failed"]
"""Absent is what nobody has set up yet, unknown what could not be checked, failed what does not work as set up."""

LIMIT_S = 20.0
"""Limit of a check. Clients give up sooner by themselves; this is for what hangs all the same."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line of the examination."""

    name: str
    """What was checked, in a word or two."""
    status: Status
    text: str
    """What was found."""
    remedy: str = ""
    """What to do about it, in one line; empty if there is nothing to do."""

    def to_json(self) -> dict[str, str]:
        """Return the fields as JSON values."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Check:
    """One check, which may find several things."""

    name: str
    run: Callable[[], Iterable[Finding]]
    limit_s: float = LIMIT_S


def run_checks(checks: Sequence[Check]) -> list[list[Finding]]:
    """Run checks side by side; return what each finds, in their order."""
    started = [_start(check) for check in checks]
    return [_await(check, answers) for check, answers in zip(checks, started, strict=True)]


def _start(check: Check) -> "queue.Queue[list[Finding] | BaseException]":
    answers: queue.Queue[list[Finding] | BaseException] = queue.Queue()

    def run() -> None:
        try:
            answers.put(list(check.run()))
        except BaseException as error:  # noqa: BLE001 (raised again, or explained, by whoever waits)
            answers.put(error)

    # Not a pool, which the interpreter would wait for at its end.
    threading.Thread(target=run, name=f"check {check.name}", daemon=True).start()
    return answers


def _await(check: Check, answers: "queue.Queue[list[Finding] | BaseException]") -> list[Finding]:
    try:
        answer = answers.get(timeout=check.limit_s)
    except queue.Empty:
        text = f"no answer within {check.limit_s:g} s"
        return [Finding(name=check.name, status="unknown", text=text, remedy="run slipway doctor again")]
    if isinstance(answer, list):
        return answer
    if isinstance(answer, UserError):
        # Whether it works cannot be told where one may not look.
        status: Status = "unknown" if isinstance(answer, DeniedError | UnreachableError) else "failed"
        text, _, remedy = str(answer).partition("; ")
        return [Finding(name=check.name, status=status, text=text, remedy=remedy)]
    raise answer
