"""A training job's channels with a manifest in place of class folders."""

import csv
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from container.contract.errors import DataError
from container.train.data.channels import Splits, complete_splits, list_splits

Folder = Callable[..., Path]


def add_manifest(channel: Path, name: str = "labels.csv") -> Path:
    """Name the pictures of class folders in a manifest, in another order."""
    files = sorted(channel.rglob("*.png"), key=lambda path: path.name, reverse=True)
    with (channel / name).open("w", newline="") as file:
        if name.endswith(".csv"):
            csv.writer(file).writerows(
                [("file", "label"), *((each.relative_to(channel), each.parent.name) for each in files)]
            )
        else:
            for each in files:
                address = f"s3://my-dogs/data/{each.relative_to(channel)}"
                file.write(json.dumps({"source-ref": address, "label": each.parent.name}) + "\n")
    return channel


def samples(splits: Splits) -> dict[str, list[tuple[str, int]]]:
    """What training reads, in its order."""
    return {
        name: [(sample.path.name, sample.target) for sample in getattr(splits, name)]
        for name in ("train", "validation", "test")
    }


def test_the_same_pictures_are_the_same_job_by_folders_and_by_manifest(image_folder: Folder):
    channels = image_folder("train", red=12, blue=11).parent
    image_folder("validation", red=2, blue=1)
    by_folders = complete_splits(list_splits(channels), seed=3)
    for name in ("labels.csv", "labels.jsonl"):
        for channel in ("train", "validation"):
            add_manifest(channels / channel, name)
        by_manifest = complete_splits(list_splits(channels), seed=3)
        assert (by_manifest.classes, samples(by_manifest)) == (by_folders.classes, samples(by_folders))
        assert "the train channel: the classes are those of " in " ".join(by_manifest.notes)
        for channel in ("train", "validation"):
            (channels / channel / name).unlink()


def test_flat_pictures_with_a_manifest_and_class_folders_can_be_mixed(image_folder: Folder):
    train = image_folder("train", red=2, blue=2)
    (train / "pictures").mkdir()
    rows = []
    for file in sorted(train.glob("*/*.png")):
        rows.append(f"{file.parent.name}-{file.name},{file.parent.name}")
        file.rename(train / "pictures" / f"{file.parent.name}-{file.name}")
    (train / "labels.csv").write_text("\n".join(["file,label", *rows]))
    os.link(train / "labels.csv", train / "pictures" / "extra.txt")
    image_folder("validation", red=1, blue=1)
    splits = list_splits(train.parent)
    assert samples(splits)["train"] == [
        ("blue-000.png", 0),
        ("blue-001.png", 0),
        ("red-000.png", 1),
        ("red-001.png", 1),
    ]
    assert [target for _, target in samples(splits)["validation"]] == [0, 1]
    assert splits.notes == (
        "the train channel: labels.csv names 4 files without the folders, which were searched: blue-000.png (line 2) "
        "is pictures/blue-000.png",
        "the train channel: 1 file left out, as labels.csv does not name them: pictures/extra.txt",
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,label\nred/000.png,red\n", r"manifest .*/train/labels.csv has one class \(red\); a classifier needs at"),
        (
            "file,label\nred/000.png,red\nb.png,blue\n",
            r"labels.csv names 1 file of 2 .*: b.png .line 3.. Add the files",
        ),
        ("file,label\nred/000.png,red\ngone.png,blue\n", "no picture of blue in the train channel .* link to nothing"),
    ],
)
def test_a_train_manifest_that_does_not_fit_is_refused(image_folder: Folder, text: str, message: str):
    train = image_folder("train", red=2, blue=2)
    (train / "gone.png").symlink_to("nowhere")
    (train / "labels.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        list_splits(train.parent)


def test_a_manifests_class_that_train_lacks_is_named(image_folder: Folder):
    channels = image_folder("train", red=2, blue=2).parent
    test = image_folder("test", red=1, blue=1)
    (test / "labels.csv").write_text("file,label\nred/000.png,Red\nblue/000.png,blue\n")
    with pytest.raises(DataError, match=r"has classes in labels.csv that train lacks: 'Red' \(train has 'red'\)"):
        list_splits(channels)


def test_a_table_that_is_no_manifest_is_named_beside_class_folders(image_folder: Folder):
    train = image_folder("train", red=2, blue=2)
    (train / "sizes.csv").write_text("epoch,loss\n1,2\n")
    splits = list_splits(train.parent)
    assert splits.class_counts() == [2, 2]
    assert any("sizes.csv is not taken as a manifest: its first line is epoch,loss" in note for note in splits.notes)
    (train / "blue").rename(train / ".blue")
    with pytest.raises(DataError, match=r"has 1 class folder .red.; .*sizes.csv is not taken as a manifest"):
        list_splits(train.parent)


def test_an_augmented_manifest_in_pipe_mode_is_told_what_works(image_folder: Folder):
    channels = image_folder("train", red=2, blue=2).parent
    os.mkfifo(channels / "train_0")
    with pytest.raises(
        DataError, match="with S3 data type S3Prefix and an augmented manifest as a file of the channel"
    ):
        list_splits(channels)
