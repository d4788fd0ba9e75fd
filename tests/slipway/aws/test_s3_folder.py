"""Bringing a folder from S3: from moto's, with the names that SageMaker gives."""

from pathlib import Path

import boto3
import pytest

from slipway.aws.connection import Aws
from slipway.aws.s3_folder import download_folder
from slipway.errors import DownloadError, SettingError

REGION = "eu-west-1"
BASE = "jobs/dogs/profiler-output/"


@pytest.fixture
def bucket(aws_account):
    s3 = boto3.resource("s3", region_name=REGION).Bucket("my-dogs")
    s3.create(CreateBucketConfiguration={"LocationConstraint": REGION})
    return s3


def files(directory: Path) -> dict[str, str]:
    return {str(path.relative_to(directory)): path.read_text() for path in directory.rglob("*") if path.is_file()}


def test_every_file_below_the_address_comes_and_no_other(bucket, tmp_path):
    for name in ("system/incremental/2026112412/1.algo-1.json", "framework/x.json"):
        bucket.put_object(Key=BASE + name, Body=name.encode())
    bucket.put_object(Key=f"{BASE}system/", Body=b"")
    bucket.put_object(Key="jobs/dogs/profiler-output-2/other", Body=b"")
    told: list[tuple[int, int]] = []
    address = "s3://my-dogs/jobs/dogs/profiler-output"
    found = download_folder(address, tmp_path / "here", Aws(REGION, None), advance=lambda *now: told.append(now))
    assert {name: name for name in files(found)} == files(found)
    assert len(files(found)) == 2
    assert told == [(1, 2), (2, 2)]


def test_what_is_here_already_does_not_come_again(bucket, tmp_path):
    bucket.put_object(Key=f"{BASE}same", Body=b"there")
    bucket.put_object(Key=f"{BASE}grown", Body=b"longer")
    (tmp_path / "same").write_text("local")
    (tmp_path / "grown").write_text("x")
    download_folder(f"s3://my-dogs/{BASE}", tmp_path, Aws(REGION, None))
    assert files(tmp_path) == {"same": "local", "grown": "longer"}


def test_nothing_there_is_said(bucket, tmp_path):
    with pytest.raises(DownloadError, match=r"nothing below s3://my-dogs/nowhere; the end of slipway train"):
        download_folder("s3://my-dogs/nowhere", tmp_path, Aws(REGION, None))


def test_a_name_that_leaves_the_folder_is_refused(bucket, tmp_path):
    bucket.put_object(Key=f"{BASE}a/../../../out", Body=b"")
    with pytest.raises(DownloadError, match="would leave the folder"):
        download_folder(f"s3://my-dogs/{BASE}", tmp_path / "here", Aws(REGION, None))
    assert files(tmp_path) == {}


def test_a_folder_that_cannot_be_written_is_named(bucket, tmp_path):
    bucket.put_object(Key=f"{BASE}a/b", Body=b"b")
    (tmp_path / "a").write_text("a file where a folder has to be")
    with pytest.raises(DownloadError, match="cannot be written"):
        download_folder(f"s3://my-dogs/{BASE}", tmp_path, Aws(REGION, None))


def test_an_address_of_another_kind_is_refused(aws_account, tmp_path):
    with pytest.raises(SettingError, match="is not an S3 address"):
        download_folder("https://my-dogs/x", tmp_path, Aws(REGION, None))
