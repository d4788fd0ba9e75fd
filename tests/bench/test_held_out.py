"""What tells held-out classes from known ones: a training and its figures, at their smallest."""

import re
from pathlib import Path

import numpy as np
import pytest

from bench.held_out import auroc
from tests.conftest import write_image_folder
from tests.forked_main import run_main


def test_the_area_is_the_chance_that_an_unknown_picture_ranks_higher():
    assert auroc(np.array([1.0, 2.0]), np.array([3.0, 4.0])) == 1
    assert auroc(np.array([1.0, 4.0]), np.array([2.0, 3.0])) == 0.5
    assert auroc(np.array([1.0, 1.0]), np.array([1.0])) == 0.5
    assert auroc(np.array([2.0, 3.0, 4.0]), np.array([2.5, 1.0])) == pytest.approx(1 / 6)


def test_a_model_is_trained_without_the_class_and_judged_with_it(tmp_path: Path):
    for split, count in (("train", 8), ("validation", 15), ("test", 4)):
        write_image_folder(tmp_path / split, dict.fromkeys(("red", "green", "blue"), count))
    options = ("--model-type=resnet18", "--weights=none", "--image-size=32", "--epochs=1", "--batch-size=8")
    how = (f"--data={tmp_path}", "--hold=blue", "--engine=torch", "--")
    done = run_main("bench.held_out", *how, *options, "--profile=false", "--export=false")
    assert done.returncode == 0, done.stderr
    assert "8 test pictures of 2 classes, 27 of blue" in done.stdout
    assert re.search(r"^AUROC of the distance: +[01]\.\d{3}$", done.stdout, re.M)
    assert re.search(
        r"^flagged beyond [\d.]+: [\d.]+ % of the test pictures, [\d.]+ % of those held out$", done.stdout, re.M
    )
