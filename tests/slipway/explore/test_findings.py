"""What `slipway data explore` finds in a data set with one of every flaw."""

import os
import shutil
from pathlib import Path

import pytest
from PIL import Image

from container.contract.errors import DataError
from container.train.data.channels import list_splits
from slipway.explore import examine, look_at, render_page, scan
from slipway.explore.charts import size_chart
from slipway.explore.findings import find_imbalance
from slipway.explore.scan import Dataset, Picture
from slipway.explore.thumbnails import MOST, MOST_PER_CLASS, choose_samples


@pytest.fixture(scope="module")
def dataset(flawed) -> Dataset:
    return scan(flawed)


@pytest.fixture(scope="module")
def findings(dataset):
    return examine(dataset)


def _names(dataset, entries) -> set[str]:
    return {dataset.relative(entry) for entry in entries}


def test_valid_counts_as_the_validation_split(dataset):
    assert dataset.splits == ("train", "validation")


def test_unreadable_files_are_listed_with_the_reason(dataset):
    reasons = {dataset.relative(entry): entry.reason for entry in dataset.unreadable}
    assert set(reasons) == {"train/many/empty.png", "train/many/cut.png"}
    assert "empty (0 bytes)" in reasons["train/many/empty.png"]
    assert "cannot be decoded" in reasons["train/many/cut.png"]


def test_files_that_training_does_not_look_at_are_told_apart(dataset):
    assert _names(dataset, dataset.ignored) == {"train/many/notes.txt"}


def test_every_class_is_counted_in_every_split(findings):
    assert findings.counts == {
        "train": {
            "many": 10,
            "few<b>_of_a_breed_with_a_name_longer_than_a_phone_is_wide": 4,
            "rare": 0,
            "empty folder": 0,
        },
        "validation": {
            "many": 2,
            "few<b>_of_a_breed_with_a_name_longer_than_a_phone_is_wide": 0,
            "rare": 1,
            "empty folder": 0,
        },
    }


def test_the_most_frequent_class_comes_first(findings):
    assert findings.labels == (
        "many",
        "few<b>_of_a_breed_with_a_name_longer_than_a_phone_is_wide",
        "empty folder",
        "rare",
    )


def test_classes_without_pictures_are_missing_from_their_split(findings):
    assert findings.missing == {
        "train": ("empty folder", "rare"),
        "validation": ("empty folder", "few<b>_of_a_breed_with_a_name_longer_than_a_phone_is_wide"),
    }


def test_imbalance_is_the_largest_class_to_the_smallest_that_has_pictures(findings):
    found = findings.imbalance["train"]
    assert (found.largest, found.most, found.smallest, found.fewest, found.ratio) == (
        "many",
        10,
        "few<b>_of_a_breed_with_a_name_longer_than_a_phone_is_wide",
        4,
        2.5,
    )


@pytest.mark.parametrize("counts", [{}, {"a": 3}, {"a": 3, "b": 0}])
def test_there_is_no_imbalance_of_fewer_than_two_classes(counts):
    assert find_imbalance(counts) is None


def test_duplicates_are_grouped_leaks_first(dataset, findings):
    groups = [_names(dataset, group.pictures) for group in findings.duplicates]
    assert groups == [
        {"train/many/0.png", "valid/many/leak.png"},
        {"train/few<b>_of_a_breed_with_a_name_longer_than_a_phone_is_wide/contradiction.png", "train/many/1.png"},
        {"train/many/2.png", "train/many/resaved.bmp"},
    ]
    leak, contradiction, resaved = findings.duplicates
    assert (leak.leaks, leak.contradicts, leak.same_bytes) == (True, False, True)
    assert (contradiction.leaks, contradiction.contradicts, contradiction.same_bytes) == (False, True, True)
    assert (resaved.leaks, resaved.contradicts, resaved.same_bytes) == (False, False, False)


def test_the_summary_says_what_to_do(findings):
    text = "\n".join(f"{remark.level}: {remark.text}" for remark in findings.remarks)
    assert "problem: empty folder, rare have no readable picture in train. Training refuses that" in text
    assert "problem: 1 picture is in more than one split (train / validation)" in text
    assert "problem: 1 picture is in more than one class" in text
    assert "problem: 2 files cannot be read" in text
    assert "notice: 1 file has no picture's file extension" in text
    assert "notice: train is imbalanced 2.5 : 1" in text
    assert "good:" not in text


def test_explore_and_training_see_a_folder_alike(tmp_path, colours):
    """Links, odd names, leftovers, endings, files beside the classes: the same pictures, and all else named."""
    train = shutil.copytree(colours / "train", tmp_path / "data" / "train")
    valid = shutil.copytree(colours / "valid", tmp_path / "data" / "val")
    odd = os.fsdecode(b"caf\xe9")
    (train / "red" / "more").symlink_to(colours / "train" / "red")
    (train / "red" / "up").symlink_to(train)
    (train / odd).mkdir()
    (train / odd / f"{odd}.png").write_bytes((train / "red" / "0.png").read_bytes())
    (train / "caf\u00e9").mkdir()
    shutil.copy(train / "red" / "0.png", train / "caf\u00e9")
    (valid / "cafe\u0301").mkdir()
    Image.open(train / "red" / "0.png").save(valid / "cafe\u0301" / "0.jfif", "JPEG")
    (valid / "cafe\u0301" / "1.jpg").write_bytes((valid / "cafe\u0301" / "0.jfif").read_bytes()[:-1])
    (train / "blue" / "phone.HEIC").write_bytes(b"\0\0\0\x18ftypheic")
    (train / "blue" / "gone").symlink_to("nowhere")
    (train / "blue" / "Thumbs.db").touch()
    (train / "__MACOSX").mkdir()
    (train / "loose.png").touch()
    (train.parent / "extra").mkdir()
    dataset, splits = scan(tmp_path / "data"), list_splits(tmp_path / "data")
    assert dataset.classes["train"] == splits.classes
    assert "caf\u00e9" in dataset.classes["validation"]
    pictures = {picture.path for picture in dataset.pictures}
    listed = {sample.path for sample in splits.train + splits.validation}
    assert listed - pictures == {train / "blue" / "phone.HEIC"}
    assert pictures - listed == set()
    assert len(pictures) == 24 + 9 + 8 + 4
    assert {dataset.relative(entry): entry.reason.partition(": ")[2] for entry in dataset.unreadable} == {
        "train/blue/phone.HEIC": "it is HEIC, which is not supported: convert it to JPEG or PNG",
        "train/blue/gone": "",
    }
    assert set(splits.unreadable) == {train / "blue" / "gone"}
    assert r"train/caf\xe9/caf\xe9.png" in _names(dataset, dataset.pictures)
    text = " ".join(remark.text for remark in examine(dataset).remarks)
    assert "Skipped, since operating systems and tools leave it behind: 1 __MACOSX, 1 Thumbs.db" in text
    assert "1 file lies beside the class folders and will be skipped, the first train/loose.png" in text
    assert "Folders beside the splits are ignored: extra." in text
    assert "1 link leads to a folder that contains it and will not be followed, the first train/red/up" in text
    assert "\udce9" not in render_page(dataset, examine(dataset), look_at(dataset, embeddings=False))


def test_a_sound_data_set_is_called_good(colours):
    (remark,) = examine(scan(colours)).remarks
    assert remark.level == "good"


def test_one_class_alone_is_a_problem(tmp_path, colours):
    (tmp_path / "red").symlink_to(colours / "train" / "red")
    remark = examine(scan(tmp_path)).remarks[0]
    assert (remark.level, remark.text.startswith("There is only one class, red")) == ("problem", True)


def test_a_plain_image_folder_is_one_split(colours):
    dataset = scan(colours / "train")
    assert dataset.splits == ("all",)
    assert dataset.classes["all"] == ("blue", "green", "red")


def test_progress_reaches_the_end(colours):
    steps = []
    scan(colours, lambda done, total: steps.append((done, total)))
    assert steps == [(done, 42) for done in range(1, 43)]


def test_a_folder_without_class_folders_is_refused(tmp_path):
    (tmp_path / "1.jpg").touch()
    with pytest.raises(DataError, match="has no class folders; pictures go into one folder for each class"):
        scan(tmp_path)


def _picture(number: int, label: str, side: int = 10) -> Picture:
    return Picture(
        path=Path(f"/data/{label}/{number}.jpg"),
        split="all",
        label=label,
        width=side + number,
        height=side,
        format="JPEG",
        mode="RGB",
        file_bytes=1,
        file_digest=str(number),
        pixel_digest=str(number),
    )


def _dataset(pictures: list[Picture]) -> Dataset:
    labels = tuple(dict.fromkeys(picture.label for picture in pictures))
    return Dataset(root=Path("/data"), classes={"all": labels}, pictures=tuple(pictures), unreadable=())


def test_the_page_stays_small_with_many_classes():
    dataset = _dataset([_picture(number, f"class {number % 133}") for number in range(8_000)])
    chosen = choose_samples(dataset, dataset.classes["all"])
    assert len(chosen) == 133
    assert 300 < sum(map(len, chosen.values())) <= MOST


def test_few_classes_get_more_samples_spread_over_the_folder():
    dataset = _dataset([_picture(number, "only") for number in range(1_200)])
    (chosen,) = choose_samples(dataset, ["only"]).values()
    assert len(chosen) == MOST_PER_CLASS
    assert chosen[-1].width > 1_000


def test_many_sizes_are_rounded_until_the_chart_is_light():
    chart = size_chart(_dataset([_picture(number, "only") for number in range(8_000)]))
    assert chart is not None
    (trace,) = chart["data"]
    assert len(trace["x"]) <= 1_500
    assert sum(trace["customdata"]) == 8_000
    assert "rounded to 8 pixels" in chart["layout"]["xaxis"]["title"]["text"]


def test_one_size_needs_no_chart():
    assert size_chart(_dataset([_picture(0, "only")] * 3)) is None
