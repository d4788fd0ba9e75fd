import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from container.contract.errors import DataError
from container.train.data.channels import complete_splits, list_splits

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
    ending, leftovers = splits.notes
    assert ending.startswith(
        "1 file in the train channel left out because their names lack a picture's extension: 1 .txt; convert"
    )
    assert leftovers.startswith("left out of the train channel, as systems and tools leave it behind: ")
    assert {"2 .ipynb_checkpoints", "1 .DS_Store"} == set(leftovers.partition("behind: ")[2].split(", "))


def test_what_systems_leave_behind_is_no_class_and_is_counted(image_folder: Folder):
    train = image_folder("train", red=2, blue=2)
    image_folder("validation", red=1, blue=1)
    for channel in (train, train.parent / "validation"):
        for name in ("__MACOSX", "@eaDir", "lost+found"):
            (channel / name).mkdir()
            (channel / name / "000.png").touch()
        (channel / "red" / "Thumbs.db").touch()
        (channel / "red" / "._000.png").touch()
        (channel / "blue" / "._001.png").touch()
    splits = list_splits(train.parent)
    assert (splits.classes, splits.class_counts(), len(splits.validation)) == (("blue", "red"), [2, 2], 2)
    assert len(splits.notes) == 2  # a line for each channel
    for name in ("2 ._*", "1 Thumbs.db", "1 __MACOSX", "1 @eaDir", "1 lost+found"):
        assert all(name in note for note in splits.notes)


def test_files_beside_the_class_folders_and_unknown_channels_are_named(image_folder: Folder):
    train = image_folder("train", red=2, blue=2)
    (train / "loose.jpg").touch()
    image_folder("extra", red=1)
    (train.parent / "weights").mkdir()
    notes = list_splits(train.parent).notes
    assert "channels that are ignored: extra; known are train, validation, test, weights" in notes
    assert any("1 file in the train channel left out because they lie beside" in n and "loose.jpg" in n for n in notes)


def test_links_are_followed_and_broken_ones_are_named(image_folder: Folder, tmp_path: Path):
    train = image_folder("train", red=2, blue=2)
    elsewhere = image_folder("../elsewhere", more=10, green=3)
    (train / "red" / "more").symlink_to(elsewhere / "more")
    (train / "red" / "more" / "one.png").symlink_to(elsewhere / "green" / "000.png")
    (train / "green").symlink_to(elsewhere / "green")
    (train / "gone").symlink_to(tmp_path / "nowhere")
    (train / "red" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (train / "red" / "gone folder").symlink_to(tmp_path / "nowhere")
    (train / "red" / "itself").symlink_to(train / "red" / "itself")
    os.mkfifo(train / "red" / "pipe.png")
    splits = list_splits(train.parent)
    assert splits.classes == ("blue", "green", "red")
    assert splits.class_counts() == [2, 3, 13]
    assert {path.name: reason for path, reason in splits.unreadable.items()} == {
        "gone": f"{train}/gone is a link to nothing ({tmp_path}/nowhere does not exist)",
        "gone.png": f"{train}/red/gone.png is a link to nothing ({tmp_path}/nowhere.png does not exist)",
        "gone folder": f"{train}/red/gone folder is a link to nothing ({tmp_path}/nowhere does not exist)",
        "itself": f"{train}/red/itself cannot be opened: Too many levels of symbolic links",
        "pipe.png": f"{train}/red/pipe.png is no ordinary file",
    }


def test_links_that_lead_back_are_named_and_not_followed(image_folder: Folder):
    train = image_folder("train", red=2, blue=2)
    (train / "red" / "up").symlink_to(train / "red")
    (train / "red" / "all").symlink_to(train.parent)
    (train / "blue" / "there").symlink_to(train / "red")  # whose links lead back from there, too
    (train / "everything").symlink_to(train.parent)
    splits = list_splits(train.parent)
    assert (splits.classes, splits.class_counts()) == (("blue", "red"), [4, 2])
    assert [note for note in splits.notes if "not followed: 5, the first" in note]
    assert not splits.unreadable


@pytest.mark.parametrize("name", ["val", "valid"])
def test_names_of_channels_that_the_command_line_knows_are_taken(image_folder: Folder, name: str):
    channels = image_folder("training", red=2, blue=2).parent
    image_folder(name, red=1, blue=1)
    splits = list_splits(channels)
    assert (len(splits.train), len(splits.validation)) == (4, 2)
    assert splits.notes == ("the channel training is taken as train", f"the channel {name} is taken as validation")
    image_folder("validation", red=1, blue=1)
    with pytest.raises(DataError, match=f"the job has the channels validation and {name}, which both stand for"):
        list_splits(channels)


def test_pipe_mode_is_refused_for_any_channel(image_folder: Folder):
    channels = image_folder("train", red=2, blue=2).parent
    os.mkfifo(channels / "validation_0")
    with pytest.raises(DataError, match=r"channels in Pipe mode are not supported: validation; .* File or FastFile"):
        list_splits(channels)
    (channels / "validation_0").unlink()
    (channels.parent / "config").mkdir()
    config = channels.parent / "config" / "inputdataconfig.json"
    config.write_text('{"train": {"TrainingInputMode": "Pipe"}}')
    with pytest.raises(DataError, match="Pipe mode are not supported: train"):
        list_splits(channels)
    config.write_text('{"train": {"TrainingInputMode": "File"}}')
    assert len(list_splits(channels).train) == 4


def test_a_class_is_the_same_however_its_letters_are_encoded(image_folder: Folder):
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    channels = image_folder("train", red=2, **{composed: 2}).parent
    image_folder("validation", red=1, **{decomposed: 1})
    splits = list_splits(channels)
    assert splits.classes == (composed, "red")
    assert sorted(sample.target for sample in splits.validation) == [0, 1]
    image_folder("train/", **{decomposed: 1})
    with pytest.raises(DataError, match=r"two class folders whose names look alike: 'caf.*' and 'caf") as raised:
        list_splits(channels)
    assert "'caf\\xe9'" in str(raised.value)
    assert "'cafe\\u0301'" in str(raised.value)


def test_class_names_that_look_alike_are_told_apart_in_the_error(image_folder: Folder):
    channels = image_folder("train", **{"red fox": 2, "blue": 2}).parent
    image_folder("validation", **{"red\u00a0fox": 1, "Blue": 1})
    with pytest.raises(DataError) as raised:
        list_splits(channels)
    assert "train lacks: 'Blue' (train has 'blue'), 'red\\xa0fox' (train has 'red fox')" in str(raised.value)


def test_names_that_are_no_utf_8_are_taken_and_shown_escaped(image_folder: Folder):
    train = image_folder("train", red=2, blue=2)
    odd = os.fsdecode(b"caf\xe9")
    (train / odd).mkdir()
    (train / "red" / "000.png").rename(train / odd / f"{odd}.png")
    (train / "red" / odd).symlink_to(f"{odd}.gone")
    splits = list_splits(train.parent)
    assert splits.classes == ("blue", r"caf\xe9", "red")
    assert splits.class_counts() == [2, 1, 1]
    assert [*splits.unreadable.values()] == [rf"{train}/red/caf\xe9 is a link to nothing (caf\xe9.gone does not exist)"]


def test_no_train_channel_names_what_was_found(image_folder: Folder):
    channels = image_folder("pictures", red=2, blue=2).parent
    with pytest.raises(DataError, match=r"no train channel.*channels found: pictures"):
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
