"""model.tar.gz: packed flat and whole, unpacked without trust."""

import gzip
import io
import tarfile
from pathlib import Path

import pytest

from slipway.errors import ArchiveError
from slipway.files.archive import pack_model, unpack_model


@pytest.fixture
def model(tmp_path) -> Path:
    directory = tmp_path / "model"
    (directory / "code").mkdir(parents=True)
    (directory / "model.json").write_text("{}")
    (directory / "model.safetensors").write_bytes(bytes(1000))
    (directory / "code" / "inference.py").write_text("# the user's\n")
    (directory / ".model.json.123").write_text("half-written")
    return directory


def _archive(path: Path, *members: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for member in members:
            content = b"x" if member.isreg() else b""
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def _member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, link
    return member


def test_members_are_flat_and_temporary_files_stay_out(model, tmp_path):
    pack_model(model, tmp_path / "output" / "model.tar.gz")
    with tarfile.open(tmp_path / "output" / "model.tar.gz") as tar:
        assert tar.getnames() == ["code", "code/inference.py", "model.json", "model.safetensors"]


def test_what_was_packed_comes_back(model, tmp_path):
    pack_model(model, tmp_path / "model.tar.gz")
    (tmp_path / "unpacked").mkdir()
    unpack_model(tmp_path / "model.tar.gz", tmp_path / "unpacked")
    assert (tmp_path / "unpacked" / "model.safetensors").read_bytes() == bytes(1000)
    assert (tmp_path / "unpacked" / "code" / "inference.py").read_text() == "# the user's\n"


def test_packing_twice_gives_the_same_bytes(model, tmp_path):
    pack_model(model, tmp_path / "1.tar.gz")
    (model / "model.json").touch()
    pack_model(model, tmp_path / "2.tar.gz")
    assert (tmp_path / "1.tar.gz").read_bytes() == (tmp_path / "2.tar.gz").read_bytes()


def test_an_archive_that_cannot_be_written_leaves_the_earlier_one(model, tmp_path):
    archive = tmp_path / "model.tar.gz"
    archive.write_bytes(b"earlier")
    (tmp_path / ".model.tar.gz.part").symlink_to("/dev/full")
    with pytest.raises(ArchiveError, match=r"cannot be written: .*; the model itself is safe in"):
        pack_model(model, archive)
    assert archive.read_bytes() == b"earlier"


@pytest.mark.parametrize(
    "member",
    [
        _member("../outside"),
        _member("code/../../outside"),
        _member("/tmp/outside"),
        _member("link", tarfile.SYMTYPE, "model.json"),
        _member("link", tarfile.SYMTYPE, "/etc/passwd"),
        _member("link", tarfile.SYMTYPE, "../../outside"),
        _member("link", tarfile.LNKTYPE, "../outside"),
        _member("device", tarfile.CHRTYPE),
    ],
    ids=["parent", "hidden parent", "absolute", "link", "absolute link", "link out", "hard link out", "device"],
)
def test_nothing_is_written_outside(member, tmp_path):
    archive = _archive(tmp_path / "model.tar.gz", _member("model.json"), member)
    (tmp_path / "base" / "model").mkdir(parents=True)
    with pytest.raises(ArchiveError, match=r"is not safe to unpack: .*nothing was served"):
        unpack_model(archive, tmp_path / "base" / "model")
    assert not list(tmp_path.rglob("outside"))


def test_an_archive_of_something_else_says_what_it_holds(tmp_path):
    archive = _archive(tmp_path / "photos.tar.gz", _member("holiday.jpg"), _member("beach.jpg"))
    (tmp_path / "unpacked").mkdir()
    with pytest.raises(ArchiveError, match=r"holds no model: .*model\.json.*It holds: beach\.jpg, holiday\.jpg"):
        unpack_model(archive, tmp_path / "unpacked")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda data: b"<html>not found</html>",
            r"model\.tar\.gz is not a tar archive \(22 bytes\); name the model\.tar\.gz",
        ),
        (lambda data: b"", r"is not a tar archive \(0 bytes\)"),
        (lambda data: data[:150], r"cannot be read as a model\.tar\.gz: .*was cut off"),
        (
            lambda data: gzip.compress(b"text" * 1000),
            r"cannot be read as a model\.tar\.gz: there is no tar archive in it",
        ),
    ],
    ids=["page", "empty", "cut off", "other content"],
)
def test_a_file_that_is_no_archive_or_a_part_of_one_is_named(spoil, message, model, tmp_path):
    archive = tmp_path / "model.tar.gz"
    pack_model(model, archive)
    archive.write_bytes(spoil(archive.read_bytes()))
    (tmp_path / "unpacked").mkdir()
    with pytest.raises(ArchiveError, match=message) as caught:
        unpack_model(archive, tmp_path / "unpacked")
    assert "\n" not in str(caught.value)
