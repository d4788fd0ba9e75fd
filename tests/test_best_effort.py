"""Work that must not end training."""

import pytest

from container.best_effort import BestEffort


def fail() -> None:
    raise OSError("no space left")


@pytest.mark.parametrize("keep_going", [False, True])
def test_the_first_failure_is_one_warning(caplog: pytest.LogCaptureFixture, keep_going: bool):
    attempt, done = BestEffort("it failed; training goes on", OSError, keep_going=keep_going), []
    assert attempt(lambda: done.append(1))
    assert not attempt(fail)
    assert not attempt(fail)
    assert attempt(lambda: done.append(2)) is keep_going
    assert caplog.messages == ["it failed; training goes on: OSError: no space left"]
    assert done == ([1, 2] if keep_going else [1])


def test_an_error_that_is_not_expected_passes_through():
    with pytest.raises(ZeroDivisionError):
        BestEffort("it failed", OSError)(lambda: 1 // 0)
