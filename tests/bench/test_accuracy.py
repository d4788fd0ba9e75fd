"""The benchmark of accuracy over time, at its smallest, and what it makes of curves."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from PIL import Image

from bench.accuracy.folder import lay_out
from bench.accuracy.results import Rows, accuracy_at, results, verdicts
from tests.forked_main import run_main
from tests.rules.environment import ROOT


@pytest.fixture
def digits(tmp_path: Path) -> Path:
    for split in ("train", "validation", "test"):
        for shade, label in enumerate(("black", "grey")):
            folder = tmp_path / "pictures" / split / label
            folder.mkdir(parents=True)
            for number in range(4):
                Image.new("RGB", (40, 32), (100 * shade + number,) * 3).save(folder / f"{number}.png")
    return tmp_path / "pictures"


def test_every_contender_has_a_curve(digits: Path, tmp_path: Path):
    written, page = tmp_path / "result.json", tmp_path / "page.html"
    options = ["--quick", f"--data={digits}", f"--json={written}", f"--page={page}", "--set", "mixup=0"]
    done = run_main("bench.accuracy.__main__", *options)
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(written.read_text())
    rows = {row["contender"]: row for row in result["rows"]}
    expected = {"modern", "seed", "seed-loop", "torchvision"}
    expected |= {"timm", "timm-fine-tuning"} if find_spec("timm") else set()
    expected |= {"fastai"} if find_spec("fastai") else set()
    assert rows.keys() == expected
    # The linear probe of our recipe, and fastai's epoch of the head alone, are tested too.
    points = {name: len(row["runs"][0]) for name, row in rows.items()}
    assert points == {name: 2 if name in ("modern", "fastai") else 1 for name in expected}
    for row in rows.values():
        assert 0 <= row["accuracy"] <= 1
        assert row["seconds"] > 0
    assert ("fastai is not installed" in done.stderr) == ("fastai" not in expected)
    assert "torchvision's reference" in done.stdout
    assert "ours with mixup 0" in done.stdout
    assert f"{100 * rows['seed-loop']['accuracy']:.2f}" in page.read_text()


def test_a_folder_without_splits_is_split_as_for_a_job(digits: Path, tmp_path: Path):
    counts = lay_out(digits / "train", tmp_path / "laid")
    assert counts == {"train": 4, "validation": 2, "test": 2}
    assert len(list((tmp_path / "laid" / "test").glob("*/*.png"))) == 2


def test_a_folder_without_pictures_is_refused_in_a_line(tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-m", "bench.accuracy", f"--data={tmp_path}"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"bench.accuracy: {tmp_path} cannot be trained on: ")
    assert done.stderr.count("\n") == 1


FAST = [(1.0, 0.5, 0.5), (2.0, 0.96, 0.9)]
SLOW = [(4.0, 0.7, 0.7), (8.0, 0.9, 0.9)]


def test_an_accuracy_holds_until_the_next_test():
    assert [accuracy_at(FAST, seconds) for seconds in (0.5, 1, 1.9, 3)] == [0, 0.5, 0.5, 0.96]


def test_times_to_an_accuracy_say_how_many_runs_reached_it():
    rows: Rows = {("modern", 2): [FAST, [(1.0, 0.5, 0.5), (3.0, 0.94, 0.9)]]}
    (row,) = results(rows)["rows"]
    assert row["reached"] == {"0.95": {"runs": 1, "seconds": 2.0}, "0.98": {"runs": 0, "seconds": None}}
    assert row["accuracy"] == pytest.approx(0.95)
    assert row["last_epoch"] == pytest.approx(0.9)


def test_ours_is_compared_with_the_best_peer_at_equal_time():
    ahead = results({("modern", 2): [FAST] * 2, ("timm", 2): [SLOW] * 2})["equal_time"]
    assert ahead["share_behind"] == 0
    behind = results({("modern", 2): [SLOW] * 2, ("timm", 2): [SLOW] * 2, ("fastai", 2): [FAST] * 2})["equal_time"]
    assert behind["largest_deficit"] == pytest.approx(0.96)
    assert behind["largest_deficit_to"] == "fastai"
    assert 2 <= behind["largest_deficit_seconds"] < 4


def test_a_difference_within_the_noise_is_no_deficit():
    modern, timm = [[(1.0, 0.8, 0.8)], [(1.0, 0.9, 0.9)]], [[(1.0, 0.85, 0.8)], [(1.0, 0.9, 0.9)]]
    assert results({("modern", 1): modern, ("timm", 1): timm})["equal_time"]["share_behind"] == 0


def test_the_seed_loop_s_accuracy_is_timed_in_ours():
    result = results({("modern", 2): [FAST], ("seed-loop", 2): [SLOW]})
    assert result["seed_loop"] == {"accuracy": 0.9, "seconds": 8.0, "our_seconds": 2.0, "share": 0.25}
    assert "0.25 of that time" in verdicts(result)[-1]
    never = results({("modern", 2): [SLOW], ("seed-loop", 2): [FAST]})
    assert never["seed_loop"]["our_seconds"] is None
    assert "not all runs of ours (modern) reach that" in verdicts(never)[-1]
