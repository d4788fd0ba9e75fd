from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from container.errors import DataError
from container.train.channels import complete_splits, list_splits

Folder = Callable[..., Path]


def test_classes_are_the_train_folders_and_other_channels_match_them_by_name(image_folder: Folder):
    channels = image_folder("train", blue=3, green=2, red=4).parent
    image_folder("validation", red=1, blue=1)  # no green: indices must not move up
    image_folder("test", red=1, green=1, blue=1)
    splits = list_splits(channels)
    assert splits.classes == ("blue", "green", "red")
    assert splits.class_counts() == [3, 2, 4]
    assert {sample.path.parent.name: sample.target for sample in splits.validation} == {"blue": 0, "red": 2}
    assert any("no pictures of 1 classes: green" in note for note in splits.notes)


def test_a_missing_split_is_held_out_of_train_class_by_class(image_folder: Folder):
    channels = image_folder("train", red=40, blue=20, green=2).parent
    splits = complete_splits(list_splits(channels), seed=1)
    assert Counter(sample.target for sample in splits.validation) == {2: 4, 0: 2, 1: 1}
    parts = [{sample.path for sample in part} for part in (splits.train, splits.validation, splits.test)]
    assert not parts[0] & parts[1]
    assert not parts[1] & parts[2]
    assert len(parts[0] | parts[1] | parts[2]) == 62
    assert min(splits.class_counts()) >= 1
    assert complete_splits(list_splits(channels), seed=1) == splits
    assert complete_splits(list_splits(channels), seed=2) != splits
    assert any("no validation channel" in note for note in splits.notes)


def test_hidden_and_foreign_files_are_no_pictures(image_folder: Folder):
    train = image_folder("train", red=2, blue=2)
    (train / "red" / ".DS_Store").write_bytes(b"x")
    (train / "red" / "notes.txt").write_text("x")
    (train / ".ipynb_checkpoints").mkdir()
    (train / "red" / ".ipynb_checkpoints").mkdir()
    (train / "red" / ".ipynb_checkpoints" / "000-checkpoint.png").write_bytes((train / "red" / "000.png").read_bytes())
    splits = list_splits(train.parent)
    assert splits.classes == ("blue", "red")
    assert splits.class_counts() == [2, 2]
    assert splits.notes == ("1 files in the train channel have no picture's ending and were left out",)


def test_no_train_channel_names_what_was_found(image_folder: Folder):
    channels = image_folder("training", red=2, blue=2).parent
    with pytest.raises(DataError, match=r"no train channel.*channels found: training"):
        list_splits(channels)


def test_one_class_is_not_enough(image_folder: Folder):
    with pytest.raises(DataError, match=r"has 1 class folder \(red\); a classifier needs at least two"):
        list_splits(image_folder("train", red=3).parent)


def test_an_empty_class_folder_is_named(image_folder: Folder):
    with pytest.raises(DataError, match=r"class folder without a picture in the train channel .*: blue"):
        list_splits(image_folder("train", red=3, blue=0).parent)


def test_a_class_that_train_lacks_is_named(image_folder: Folder):
    channels = image_folder("train", red=2, blue=2).parent
    image_folder("validation", red=1, yellow=1)
    with pytest.raises(DataError, match=r"the validation channel .* has class folders that train lacks: yellow"):
        list_splits(channels)


def test_a_channel_without_class_folders_is_refused(image_folder: Folder):
    channels = image_folder("train", red=2, blue=2).parent
    (channels / "test").mkdir()
    with pytest.raises(DataError, match=r"the test channel .* has no class folders"):
        list_splits(channels)


def test_train_too_small_to_split(image_folder: Folder):
    channels = image_folder("train", red=1, blue=1).parent
    with pytest.raises(DataError, match="train has too few pictures of each class"):
        complete_splits(list_splits(channels), seed=0)
