import threading

import pytest
import torch

from container.train.checkpoints.background_writer import BackgroundWriter, copied


def test_writes_run_one_after_the_other():
    writer, done, go = BackgroundWriter(), [], threading.Event()

    def first() -> None:
        go.wait(60)
        done.append("first")

    writer.write(first)
    assert done == []
    go.set()
    writer.write(lambda: done.append("second"))
    writer.wait()
    assert done == ["first", "second"]
    writer.close()


def test_what_went_wrong_comes_out_of_the_next_call_once():
    writer = BackgroundWriter()

    def fail() -> None:
        raise OSError("no space left")

    writer.write(fail)
    with pytest.raises(OSError, match="no space left"):
        writer.wait()
    writer.wait()
    writer.close()


def test_who_ends_the_process_waits_for_what_is_half_written():
    writer, go = BackgroundWriter(), threading.Event()
    started = threading.Event()

    def write() -> None:
        started.set()
        go.wait(60)

    writer.write(write)
    started.wait(60)
    assert not writer.finishes_within(0.01)
    go.set()
    assert writer.finishes_within(60)


def test_a_copy_does_not_change_with_what_it_was_made_of():
    tensor = torch.zeros(2)
    state = {"state": {0: {"step": tensor}}, "groups": [{"lr": 0.1, "params": [0]}]}
    kept = copied(state)
    tensor += 1
    state["groups"][0]["lr"] = 0.2
    assert kept["state"][0]["step"].tolist() == [0, 0]
    assert kept["groups"] == [{"lr": 0.1, "params": [0]}]
