"""The benchmark of training's speed, at its smallest."""

import json
import math
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from bench import train
from bench.picture_set import PictureSet
from bench.pictures import class_sizes, picture_folder
from tests.forked_main import run_main
from tests.rules.environment import ROOT

RATIOS = ("vs_limit", "vs_plain", "vs_timm", "loader_vs_plain", "loader_cached_vs_plain")
SMALL = ("--image-size=32", "--batch-size=4", "--num-workers=1", "--pictures=8", "--steps=1", "--rounds=1")
HAS_TIMM = find_spec("timm") is not None


def test_it_prints_and_writes_the_ratios(generated: Path, tmp_path: Path):
    written = tmp_path / "result.json"
    rest = ["--accuracy=0.99", "--epochs=1", "--price-per-hour=0.7", f"--directory={generated}", f"--json={written}"]
    done = run_main("bench.train", *SMALL, *rest, *([] if HAS_TIMM else ["--without-timm"]))
    assert done.returncode == 0, done.stderr
    result = json.loads(written.read_text())
    for name in RATIOS:
        if name == "vs_timm" and not HAS_TIMM:
            assert result[name] is None
            continue
        assert math.isfinite(result[name])
        assert result[name] > 0
        assert f" {result[name]:.3f} " in done.stdout
    for name in ("images_per_s", "epoch_s", "epoch_dollars", "memory_mb", "ours_seconds", "plain_seconds"):
        assert math.isfinite(result[name])
        assert result[name] > 0
    assert f"{result['images_per_s']} images/s" in done.stdout
    assert str(result["device"]) in done.stdout


def test_where_timm_is_not_installed_it_says_in_a_line_what_to_do(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(SystemExit, match=r"^bench\.train compares with timm, .*: pip install timm, [^\n]*$"):
        train.main(SMALL)


def test_unusable_pictures_are_refused(tmp_path: Path):
    with pytest.raises(SystemExit, match="has 8 pictures, fewer than a batch of 9"):
        train.main([*SMALL, "--batch-size=9", "--without-timm", f"--directory={tmp_path / 'made'}"])
    with pytest.raises(SystemExit, match=f"{tmp_path} is not an ImageFolder"):
        train.main([*SMALL, "--without-timm", f"--data={tmp_path}"])


def test_help_says_what_it_measures():
    done = subprocess.run([sys.executable, "-m", "bench.train", "--help"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0
    for option in ("--json", "--data", "--accuracy", "--rounds"):
        assert option in done.stdout


def test_generated_pictures_are_kept_and_the_same_for_a_seed(tmp_path: Path):
    lines: list[str] = []
    first = picture_folder(12, seed=3, directory=tmp_path / "first", told=lines.append)
    again = picture_folder(12, seed=3, directory=tmp_path / "again", told=lines.append)
    assert lines[-1] == "made 12 of 12 pictures"
    names = sorted(path.relative_to(first) for path in first.rglob("*.jpg"))
    assert len(names) == 12
    assert all((first / name).read_bytes() == (again / name).read_bytes() for name in names)
    lines.clear()
    assert picture_folder(12, seed=3, directory=tmp_path / "first", told=lines.append) == first
    assert not lines


@pytest.mark.parametrize("count", [4, 24, 600, 6720])
def test_classes_are_imbalanced(count: int):
    sizes = class_sizes(count)
    assert sum(sizes) == count
    assert min(sizes) >= 2
    assert sizes == sorted(sizes, reverse=True)
    if count >= 600:
        assert 7 < sizes[0] / sizes[-1] < 9


def test_a_split_has_every_picture_once(tmp_path: Path):
    everything = PictureSet.of_folder(picture_folder(12, seed=0, directory=tmp_path, told=lambda _line: None))
    some, others = everything.split(8, seed=0)
    assert len(some) == 8
    assert sorted(str(s.path) for s in (*some.samples, *others.samples)) == sorted(
        str(s.path) for s in everything.samples
    )
    assert len(some.class_weights) == everything.class_count


def test_the_accuracies_of_all_sides_are_told(tmp_path: Path):
    folder = picture_folder(24, seed=0, directory=tmp_path, told=lambda _line: None)
    small = ["--image-size=32", "--batch-size=4", "--num-workers=0", "--seeds=1", "--epochs=1"]
    done = run_main("bench.same_accuracy", *small, f"--data={folder}", f"--json={tmp_path / 'a.json'}")
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "a.json").read_text())
    for name in ("ours", "files", "plain"):
        assert 0 <= result[name][0] <= 1
        assert f"({100 * result[name][0]:.2f})" in done.stdout
