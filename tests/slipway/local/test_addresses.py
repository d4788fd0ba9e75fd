"""Where local mode finds channels and models: folders of this machine, and what it downloads from S3."""

import boto3
import pytest

from slipway.errors import DownloadError, SettingError
from slipway.local.addresses import on_this_machine


def test_what_is_in_s3_is_here_while_it_is_needed(aws_account):
    s3 = boto3.client("s3", "eu-west-1")
    s3.create_bucket(Bucket="my-dogs", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    for key in ("data/train/poodle/1.png", "data/train-old/2.png", "weights/resnet50.pth"):
        s3.put_object(Bucket="my-dogs", Key=key, Body=key.encode())
    with on_this_machine("s3://my-dogs/data/train", "the train channel", None) as folder:
        assert [path.relative_to(folder).as_posix() for path in folder.rglob("*.*")] == ["poodle/1.png"]
    assert not folder.exists()
    with on_this_machine("s3://my-dogs/weights/resnet50.pth", "the weights channel", None) as file:
        assert (file.name, file.read_text()) == ("resnet50.pth", "weights/resnet50.pth")
    with (
        pytest.raises(DownloadError, match="nothing below s3://my-dogs/elsewhere"),
        on_this_machine("s3://my-dogs/elsewhere", "the train channel", None),
    ):
        pass


def test_a_folder_is_used_where_it_is(tmp_path):
    with on_this_machine(f"file://{tmp_path}", "the train channel", None) as folder:
        assert folder == tmp_path.resolve()
    for address, message in (
        ("nowhere", "the train channel is .*/nowhere, which does not"),
        ("ftp://a", "give a fold"),
    ):
        with pytest.raises(SettingError, match=message), on_this_machine(address, "the train channel", None):
            pass
