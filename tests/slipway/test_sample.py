"""`slipway data sample`: the same imbalanced digits every time, and nothing of the user's is touched."""

import hashlib
from pathlib import Path

import pytest
from PIL import Image

from slipway.sample import CLASSES, SIDE, pictures, write_sample


@pytest.fixture(scope="module")
def sample(tmp_path_factory, slipway) -> Path:
    root = tmp_path_factory.mktemp("sample") / "digits"
    done = slipway("data", "sample", root)
    assert done.returncode == 0, done.stderr
    assert "train: 819 pictures" in done.stdout
    return root


def _counts(root: Path, split: str) -> dict[str, int]:
    return {folder.name: len(list(folder.iterdir())) for folder in (root / split).iterdir()}


def _digest(root: Path) -> str:
    files = sorted(root.rglob("*.png"))
    text = "".join(f"{path.relative_to(root)} {hashlib.sha256(path.read_bytes()).hexdigest()}\n" for path in files)
    return hashlib.sha256(text.encode()).hexdigest()


def test_it_is_an_image_folder_of_ten_digits_in_three_splits(sample):
    for split in ("train", "validation", "test"):
        assert set(_counts(sample, split)) == set(CLASSES)


def test_only_the_train_split_is_imbalanced(sample):
    train, validation, test = (_counts(sample, split).values() for split in ("train", "validation", "test"))
    assert max(train) / min(train) > 5
    assert max(validation) / min(validation) < 1.1
    assert max(test) / min(test) < 1.1


def test_pictures_are_large_enough_to_see_and_dark_on_white(sample):
    picture = Image.open(next((sample / "train" / "zero").iterdir()))
    assert (picture.format, picture.mode, picture.size) == ("PNG", "L", (SIDE, SIDE))
    dark, light = picture.getextrema()
    assert dark < 30
    assert light > 225


def test_no_scan_is_in_two_places(sample):
    numbers = [path.stem for path in sample.rglob("*.png")]
    assert len(numbers) == len(set(numbers)) == len(pictures())


def test_a_second_copy_is_the_same_byte_for_byte(sample, tmp_path):
    write_sample(tmp_path / "copy")
    assert _digest(tmp_path / "copy") == _digest(sample)


def test_a_second_run_does_nothing(sample, slipway):
    before = {path: path.stat().st_mtime_ns for path in sample.rglob("*")}
    done = slipway("data", "sample", sample)
    assert done.returncode == 0
    assert "already" in done.stdout
    assert {path: path.stat().st_mtime_ns for path in sample.rglob("*")} == before


def test_an_interrupted_run_is_finished(tmp_path):
    def interrupt(done: int, total: int) -> None:
        if done == 50:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_sample(tmp_path, interrupt)
    assert write_sample(tmp_path)
    assert len(list(tmp_path.rglob("*.png"))) == len(pictures())


def test_a_missing_picture_comes_back(tmp_path):
    write_sample(tmp_path)
    lost = next(tmp_path.rglob("*.png"))
    lost.unlink()
    assert write_sample(tmp_path)
    assert lost.is_file()


def test_a_folder_with_something_else_is_left_alone(tmp_path, slipway):
    (tmp_path / "thesis.tex").write_text("years of work")
    done = slipway("data", "sample", tmp_path)
    assert done.returncode == 1
    assert "thesis.tex" in done.stderr
    assert "nothing was written" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_in_the_way_is_named(tmp_path, slipway):
    (tmp_path / "digits").write_text("")
    done = slipway("data", "sample", tmp_path / "digits")
    assert done.returncode == 1
    assert "is a file" in done.stderr


def test_a_folder_that_cannot_be_written_is_named(slipway):
    done = slipway("data", "sample", "/proc/digits")
    assert done.returncode == 1
    assert "cannot be written into /proc/digits" in done.stderr
    assert "Traceback" not in done.stderr
