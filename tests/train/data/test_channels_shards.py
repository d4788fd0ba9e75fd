"""A training job's channels as tar shards in WebDataset's form."""

import io
import json
import pickle
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from container.contract.errors import DataError
from container.train.data.channels import list_splits
from container.train.data.reading import read_pixels
from tests.train.conftest import SMALL, JobDirectory
from tests.train.forked_job import run_program

Folder = Callable[..., Path]
Members = Sequence[tuple[str, bytes]]


def write_shard(path: Path, members: Members) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, data in members:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


def labelled(file: Path, form: str) -> Members:
    """A picture as a shard's members, with its class in one of the forms."""
    key, label = file.stem, file.parent.name
    if form == "folder":
        return [(f"{label}/{key}.png", file.read_bytes())]
    text = label if form == "cls" else json.dumps({"label": label})
    return [(f"{key}.png", file.read_bytes()), (f"{key}.{form}", text.encode())]


@pytest.mark.parametrize("form", ["cls", "json", "folder"])
def test_pictures_of_shards_are_those_of_class_folders(image_folder: Folder, form: str, tmp_path: Path):
    folders = image_folder("train", red=5, blue=4)
    files = sorted(folders.glob("*/*.png"))
    for number, part in enumerate((files[:3], files[3:])):
        members = [
            (f"{file.parent.name}-{name}" if form != "folder" else name, data)
            for file in part
            for name, data in labelled(file, form)
        ]
        write_shard(tmp_path / "shards" / "train" / f"{number:06}.tar", members)
    by_folders, by_shards = list_splits(folders.parent), list_splits(tmp_path / "shards")
    assert by_shards.classes == by_folders.classes == ("blue", "red")
    assert [sample.target for sample in by_shards.train] == [sample.target for sample in by_folders.train]
    for ours, theirs in zip(by_shards.train, by_folders.train, strict=True):
        assert ours.path.name.endswith(theirs.path.name)
        assert ours.path.parent != ours.path  # messages name shard and member
        again = pickle.loads(pickle.dumps(ours))  # as DataLoader workers are sent samples
        assert again == ours
        assert again.path.read_bytes() == theirs.path.read_bytes()
        pixels = [read_pixels(each.path, lambda width, height: (width, height)).pixels for each in (again, theirs)]
        assert (pixels[0] == pixels[1]).all()


RIGHT: Members = [("a.jpg", b"1"), ("a.cls", b"red"), ("b.jpg", b"2"), ("b.cls", b"blue")]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ([("c.jpg", b"3")], "pictures in shards without a label: 1: 0.tar/c; add KEY.cls"),
        ([("c.jpg", b"3"), ("c.cls", b" \n")], "without a label: 1: 0.tar/c"),
        ([("a.jpg", b"3")], "two pictures or labels of the same key: 1: a.jpg"),
        ([("a.png", b"3")], "two pictures or labels of the same key: 1: a.png"),
        ([("a.cls", b"blue")], "two pictures or labels of the same key: 1: a.cls"),
    ],
)
def test_wrong_members_are_named(more: Members, message: str, tmp_path: Path):
    write_shard(tmp_path / "train" / "0.tar", [*RIGHT, *more])
    with pytest.raises(DataError, match=message):
        list_splits(tmp_path)


@pytest.mark.parametrize("kept", [0, 700, 1100, 1536, 2100, 4096])
def test_a_cut_shard_is_refused_wherever_it_is_cut(kept: int, tmp_path: Path):
    shard = write_shard(tmp_path / "train" / "0.tar", RIGHT)
    shard.write_bytes(shard.read_bytes()[:kept])
    with pytest.raises(DataError, match=r"0\.tar is cut, damaged, compressed or no tar file"):
        list_splits(tmp_path)


def test_a_damaged_header_is_not_taken_for_the_end(tmp_path: Path):
    shard = write_shard(tmp_path / "train" / "0.tar", RIGHT)
    data = bytearray(shard.read_bytes())
    data[2048 + 150] ^= 1  # the checksum of the third header
    shard.write_bytes(data)
    with pytest.raises(DataError, match="no end marker at byte 2,048"):
        list_splits(tmp_path)


def test_compressed_shards_are_told_why_they_cannot_be_read(tmp_path: Path):
    write_shard(tmp_path / "train" / "0.tar", RIGHT).rename(tmp_path / "train" / "0.tar.gz")
    with pytest.raises(DataError, match=r"compressed shards .* 1: 0\.tar\.gz.*Decompress"):
        list_splits(tmp_path)


def test_tar_files_beside_class_folders_are_left_out_and_named(image_folder: Folder):
    train = image_folder("train", red=2, blue=2)
    write_shard(train / "backup.tar", RIGHT)
    splits = list_splits(train.parent)
    assert {sample.path.suffix for sample in splits.train} == {".png"}
    assert "backup.tar" in "\n".join(splits.notes)


def test_what_is_left_out_is_counted(tmp_path: Path):
    more = [("c.xyz", b"3"), ("c.cls", b"red"), ("a.txt", b"a caption"), ("._a.jpg", b"")]
    train = write_shard(tmp_path / "train" / "0.tar", [*RIGHT, *more]).parent
    (train / "readme.md").write_text("read me")
    splits = list_splits(tmp_path)
    assert [sample.path.name for sample in splits.train] == ["b.jpg", "a.jpg"]
    notes = "\n".join(splits.notes)
    assert "3 members of shards left out" in notes
    for kind in ("1 .xyz", "1 .txt", "1 hidden"):
        assert kind in notes
    assert "as they have no picture: 1: 0.tar/c" in notes
    assert "1 file in the train channel left out, as they lie beside shards: readme.md" in notes


def test_a_shard_that_became_shorter_is_no_crash(tmp_path: Path):
    shard = write_shard(tmp_path / "train" / "0.tar", RIGHT)
    sample = list_splits(tmp_path).train[0]
    shard.write_bytes(b"")
    with pytest.raises(OSError, match="its shard has become shorter"):
        sample.path.read_bytes()


def test_a_job_on_shards_gives_the_model_of_the_same_job_on_folders(image_folder: Folder, tmp_path: Path):
    folders = image_folder("train", red=10, blue=10)
    members = [
        (f"{file.parent.name}/{name}", data)
        for file in sorted(folders.glob("*/*.png"))
        for name, data in labelled(file, "cls")
    ]
    shards = write_shard(tmp_path / "shards" / "0.tar", members).parent
    models = []
    for name, channel in (("by_folders", folders), ("by_shards", shards)):
        job = JobDirectory(tmp_path / name)
        job.channel("train", channel)
        values = {**SMALL, "epochs": "1", "num-workers": "1", "cache": "off", "use-cuda": "false", "seed": "5"}
        result = run_program(job, values)
        assert result.code == 0, result.log
        models.append((job.model / "model.safetensors").read_bytes())
    assert models[0] == models[1]
