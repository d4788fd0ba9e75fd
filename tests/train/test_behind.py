import threading

import pytest
import torch

from container.train.behind import Behind, copied


def test_what_is_written_behind_runs_one_after_the_other():
    behind, done, go = Behind(), [], threading.Event()

    def first() -> None:
        go.wait(60)
        done.append("first")

    behind.write(first)
    assert done == []
    go.set()
    behind.write(lambda: done.append("second"))
    behind.wait()
    assert done == ["first", "second"]
    behind.close()


def test_what_went_wrong_comes_out_of_the_next_call_once():
    behind = Behind()

    def fail() -> None:
        raise OSError("no space left")

    behind.write(fail)
    with pytest.raises(OSError, match="no space left"):
        behind.wait()
    behind.wait()
    behind.close()


def test_who_ends_the_process_waits_for_what_is_half_written():
    behind, go = Behind(), threading.Event()
    started = threading.Event()

    def write() -> None:
        started.set()
        go.wait(60)

    behind.write(write)
    started.wait(60)
    assert not behind.finishes_within(0.01)
    go.set()
    assert behind.finishes_within(60)


def test_a_copy_does_not_change_with_what_it_was_made_of():
    tensor = torch.zeros(2)
    state = {"state": {0: {"step": tensor}}, "groups": [{"lr": 0.1, "params": [0]}]}
    kept = copied(state)
    tensor += 1
    state["groups"][0]["lr"] = 0.2
    assert kept["state"][0]["step"].tolist() == [0, 0]
    assert kept["groups"] == [{"lr": 0.1, "params": [0]}]
