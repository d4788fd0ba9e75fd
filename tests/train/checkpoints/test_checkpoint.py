"""What lies in a checkpoint directory, whatever became of the jobs that wrote there."""

from pathlib import Path

import pytest

from container.train.checkpoints.checkpoint import (
    has_checkpoint,
    read_newest_checkpoint,
    remove_unfinished_checkpoints,
    write_checkpoint,
)


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_the_latest_two_are_kept(tmp_path: Path):
    for step in (1, 2, 3):
        write_checkpoint(tmp_path, 1, step, {"step": step})
    write_checkpoint(tmp_path, 2, 0, {"step": 0})
    assert names(tmp_path) == [
        "checkpoint-00001-0000003.json",
        "checkpoint-00001-0000003.pt",
        "checkpoint-00002-0000000.json",
        "checkpoint-00002-0000000.pt",
    ]
    assert read_newest_checkpoint(tmp_path) == {"step": 0}


def test_damaged_ones_give_way_to_earlier_ones_of_the_job_that_went_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    for step in (4, 5):
        write_checkpoint(tmp_path, 1, step, {"step": step})
        (tmp_path / f"checkpoint-00001-000000{step}.pt").write_bytes(b"damaged")
    assert read_newest_checkpoint(tmp_path) is None
    assert caplog.text.count("skipping the damaged checkpoint") == 2
    write_checkpoint(tmp_path, 1, 1, {"step": 1})
    assert read_newest_checkpoint(tmp_path) == {"step": 1}
    assert names(tmp_path) == ["checkpoint-00001-0000001.json", "checkpoint-00001-0000001.pt"]


def test_what_a_killed_job_has_left_is_removed(tmp_path: Path):
    write_checkpoint(tmp_path, 1, 1, {"step": 1})
    whole = names(tmp_path)
    (tmp_path / "checkpoint-00001-0000002.pt").write_bytes(b"whole, and without its manifest")
    (tmp_path / ".checkpoint-00001-0000003.pt.0123abcd").write_bytes(b"half")
    (tmp_path / ".checkpoint-00001-0000002.json.89abcdef").write_text("{")
    (tmp_path / "notes.pt").write_bytes(b"somebody else's")
    remove_unfinished_checkpoints(tmp_path)
    assert names(tmp_path) == [*whole, "notes.pt"]


def test_there_may_be_no_checkpoint_directory(tmp_path: Path):
    directory = tmp_path / "checkpoints"
    remove_unfinished_checkpoints(directory)
    assert not has_checkpoint(directory)
    assert read_newest_checkpoint(directory) is None
